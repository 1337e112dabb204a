import { getHeapStatistics } from 'node:v8'

let lastRssBytes = 0

/**
 * What the process uses. Node reads its resident memory from a file, and throws where the process may open no more of them:
 * what is asked for once a second for as long as it lives must not be what ends it. Then it is the last that was known.
 */
export function memoryUsage(): { readonly rssBytes: number; readonly heapUsedBytes: number } {
  try {
    lastRssBytes = process.memoryUsage.rss()
  } catch {
    // Out of file descriptors.
  }
  return { rssBytes: lastRssBytes, heapUsedBytes: getHeapStatistics().used_heap_size }
}
