import { createCipheriv, createDecipheriv, hash, hkdfSync } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'

/**
 * Seals the frames of packs with AES-256-GCM. Each pack gets a key of its own, derived from the store's key and the
 * pack's name by HKDF-SHA-256; names never come back, so the frame's number is a nonce that never repeats, and a
 * frame moved to another pack or place does not open.
 */
export interface FrameSeal {
  /** 16 hex digits that tell which key was used, without telling the key. */
  readonly keyId: string
  seal(pack: string, ordinal: number, bytes: Uint8Array): Uint8Array
  /** Rejects with `object-corrupt` when the bytes were not sealed by this key at this place. */
  open(pack: string, ordinal: number, sealed: Uint8Array): Uint8Array
}

/** The key id of a store whose frames are not sealed. */
export const UNSEALED = '0000000000000000'

export const SEAL_KEY_BYTES = 32
const TAG_BYTES = 16

export function createFrameSeal(key: Uint8Array): FrameSeal {
  if (key.length !== SEAL_KEY_BYTES)
    throw new Failure('invalid-argument', `a key has ${SEAL_KEY_BYTES} bytes`)
  const keyId = hash('sha256', Buffer.concat([Buffer.from('holdfast key id'), key]), 'hex').slice(0, 16)
  let cached = { pack: '', key: Buffer.alloc(0) }
  const packKey = (pack: string): Buffer => {
    if (cached.pack !== pack) {
      cached = { pack, key: Buffer.from(hkdfSync('sha256', key, pack, 'holdfast pack', SEAL_KEY_BYTES)) }
    }
    return cached.key
  }
  return {
    keyId,
    seal: (pack, ordinal, bytes) => {
      const cipher = createCipheriv('aes-256-gcm', packKey(pack), nonce(ordinal))
      return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    },
    open: (pack, ordinal, sealed) => {
      if (sealed.length < TAG_BYTES) throw notSealedHere(pack, ordinal)
      const decipher = createDecipheriv('aes-256-gcm', packKey(pack), nonce(ordinal))
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
      try {
        return Buffer.concat([
          decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES)),
          decipher.final(),
        ])
      } catch {
        throw notSealedHere(pack, ordinal)
      }
    },
  }
}

function nonce(ordinal: number): Uint8Array {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32LE(ordinal)
  return bytes
}

function notSealedHere(pack: string, ordinal: number): Failure {
  return new Failure('object-corrupt', `frame ${ordinal} of ${pack} does not open with the store's key`, {
    pack,
    ordinal,
  })
}
