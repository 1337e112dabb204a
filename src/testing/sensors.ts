import type { SensorReading, Sensors } from '../platform/sensors.ts'

/** Readings as a test has set them; those of a process at rest until then. */
export class SimulatedSensors implements Sensors {
  reading: SensorReading = {
    rssBytes: 60_000_000,
    heapUsedBytes: 10_000_000,
    cpuMs: 100,
    loopDelayMaxMs: 1,
    openFiles: 20,
    openFilesMax: 1_024,
  }
  closed = false

  read(): SensorReading {
    return this.reading
  }

  close(): void {
    this.closed = true
  }
}
