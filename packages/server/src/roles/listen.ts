import { Failure } from '@holdfast/base/failure'

export interface Listen {
  readonly host: string
  readonly port: number
}

/** `host:port` or `[v6]:port`. Rejects with `invalid-argument`. */
export function parseListen(text: string): Listen {
  const at = text.lastIndexOf(':')
  const port = Number(text.slice(at + 1))
  if (at < 1 || !Number.isInteger(port) || port > 65_535)
    throw new Failure('invalid-argument', `${text} is not host:port`, { listen: text })
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port }
}
