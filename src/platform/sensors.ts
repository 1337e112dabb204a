/** What the operating system says about the process that this code runs in. */
export interface Sensors {
  /** Cheap: asked every few seconds for the whole life of the process. */
  read(): SensorReading
  close(): void
}

export interface SensorReading {
  readonly rssBytes: number
  readonly heapUsedBytes: number
  /** Processor time since the process started, ms. */
  readonly cpuMs: number
  /** The longest time since the last reading in which the event loop got to nothing else, ms. */
  readonly loopDelayMaxMs: number
  /** Undefined where the system does not say. */
  readonly openFiles: number | undefined
  readonly openFilesMax: number | undefined
}
