/** What is looked at: where the processor time goes, for so long; or all that the memory holds, at one moment. */
export type ProfileRequest = { readonly kind: 'cpu'; readonly durationMs: number } | { readonly kind: 'heap' }

/** Looks at the process that it is part of, and writes what it saw to a file. */
export interface Profiler {
  /** Resolves to the file. ERR_PROFILE_RUNNING while another profile is taken. */
  take(request: ProfileRequest): Promise<{ readonly path: string; readonly sizeBytes: number }>
}
