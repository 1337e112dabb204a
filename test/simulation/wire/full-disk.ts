import { PerduraError } from '../../../src/errors.ts'
import type { HubStorage } from '../../../src/hub/storage.ts'
import type { openStore } from '../../../src/store/open-store.ts'

/** Whether a write finds no room now. */
export type IsFull = () => boolean

/** The agent's store on a disk that is full now and then: nothing of such a write is done, and its caller is told. */
export function onFullDisk(open: typeof openStore, isFull: IsFull): typeof openStore {
  return async (options) => {
    const opened = await open(options)
    const { store } = opened
    return {
      ...opened,
      store: {
        reader: store.reader,
        get position() {
          return store.position
        },
        close: () => store.close(),
        write: (operation) => {
          if (!isFull()) return store.write(operation)
          return Promise.reject(new PerduraError('ERR_STORE_WRITE', 'nothing was written: the disk is full'))
        },
      },
    }
  }
}

/** The same of the hub's storage. */
export function storageOnFullDisk(storage: HubStorage, isFull: IsFull): HubStorage {
  return {
    read: (operation) => storage.read(operation),
    close: () => storage.close(),
    write: (operation) => {
      if (!isFull()) return storage.write(operation)
      return Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'the disk is full'))
    },
  }
}
