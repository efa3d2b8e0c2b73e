import type { z } from 'zod'

/** A call between roles: JSON to `POST /rpc/<name>`. Calls are idempotent: who gets no answer asks again. */
export interface RpcCall {
  readonly request: z.ZodType
  readonly response: z.ZodType
}

/** Everything that one role answers. */
export type RpcTable = Readonly<Record<string, RpcCall>>

export type RpcRequest<Table extends RpcTable, Name extends keyof Table> = z.input<Table[Name]['request']>
export type RpcParsed<Table extends RpcTable, Name extends keyof Table> = z.output<Table[Name]['request']>
export type RpcResponse<Table extends RpcTable, Name extends keyof Table> = z.output<Table[Name]['response']>
