/** The ports of the original, one of each kind: agents that know one of them know the other. */
export const originalPorts = { rest: 8767, webSocket: 8768 } as const
