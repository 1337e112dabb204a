// The empty script for who cannot be told over a message channel: notes when it is there in the file BENCH_NOTES.
import { appendFileSync } from 'node:fs'

const at = performance.timeOrigin + performance.now()
appendFileSync(process.env.BENCH_NOTES, `${JSON.stringify({ pid: process.pid, at })}\n`)
setInterval(() => {}, 2 ** 30)
