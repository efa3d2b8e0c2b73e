/** Bounds of the gateway; tests pass tighter ones. */
export interface GatewayLimits {
  readonly headerBytesMax: number
  /** From the first byte of a request to the end of its headers: who sends them slowly holds nothing for long. */
  readonly headersMs: number
  readonly requestLineBytesMax: number
  readonly connectionsMax: number
  /** Requests and upgraded connections at once, for all ports of one workspace. */
  readonly openPerWorkspaceMax: number
  /** How long control's word on a port is good for. */
  readonly resolvedMs: number
  /** How long a request waits for a workspace that is being resumed. */
  readonly wakeMs: number
  /** How long an app may take to begin its answer. */
  readonly answerMs: number
}

export const GATEWAY_LIMITS: GatewayLimits = {
  headerBytesMax: 16 << 10,
  headersMs: 10_000,
  requestLineBytesMax: 8 << 10,
  connectionsMax: 4096,
  openPerWorkspaceMax: 256,
  resolvedMs: 1000,
  wakeMs: 60_000,
  answerMs: 300_000,
}
