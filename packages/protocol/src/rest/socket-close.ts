/** Of every WebSocket of the API: the other side, or the command, has ended. */
export const ENDED_CLOSE = 1000

/**
 * `GET …/ports/{port}` is a WebSocket with the bytes of one connection to 127.0.0.1:port inside, as binary frames. The
 * server closes with 1000 where that side ends, with 4502 and a reason where nothing listens. The key travels as on
 * `…/attach`.
 */
export const PORT_UNREACHABLE_CLOSE = 4502
