/** Where the ingress listens unless told otherwise. */
export const defaultIngressPort = 8_760

/** Bytes of one payload that are taken in over HTTP. */
export const payloadBytesMax = 1_048_576
