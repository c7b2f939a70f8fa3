import dynalite from 'dynalite'
import { listen, type LocalService, type LoopbackOptions } from './loopback.ts'

export interface DynamoDbOptions extends LoopbackOptions {
  /** Where the data is kept; in memory without it. */
  folder?: string | undefined
}

/** DynamoDB on this machine, in this process. Expiry and transactions are not in it. */
export function startDynamoDb({ folder, ...options }: DynamoDbOptions = {}): Promise<LocalService> {
  return listen(dynalite({ createTableMs: 0, ...(folder === undefined ? {} : { path: folder }) }), options)
}
