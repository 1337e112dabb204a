/** Under which our units have systemd hand over a connection to itself; see `takeServiceNotifier`. */
export const serviceDescriptorName = 'perdura-notify'

/** The manager that started this process, and wants to be told how it is; see sd_notify(3). */
export interface ServiceNotifier {
  /** Time within which the manager must hear of it, ms; undefined where it does not ask for that. */
  readonly watchdogMs: number | undefined
  /**
   * Tells it, behind what was told before. Resolves when it has it, or when it cannot be told: then a line of the log says so,
   * for no process is worth less because its manager does not listen.
   */
  tell(fields: Readonly<Record<string, string>>): Promise<void>
}
