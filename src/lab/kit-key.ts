import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { bech32 } from '@scure/base'

/** A pair of age keys. */
interface KeyPair {
  /** Public: `age1…`. */
  readonly recipient: string
  /** Private: `AGE-SECRET-KEY-1…`. */
  readonly identity: string
}

// The frame of an X25519 private key in PKCS #8 (RFC 8410, section 7), before its 32 bytes.
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key of the lab's operator. It is public: what it opens are the lab's kits and copies, which hold what was made for the lab. */
export const labKitKey: KeyPair = keyPairOf('operator')

/** The key with which the lab's drills open the copies of one system, and no other. */
export const labDrillKey = (system: string): KeyPair => keyPairOf(`drills of ${system}`)

/** `encrypt` of a system in a cluster with the lab's keys. */
export function labEncrypt<E extends { readonly drillIdentity: object }>(system: string, encrypt: E) {
  const drillIdentity = { ...encrypt.drillIdentity, recipient: labDrillKey(system).recipient }
  return { ...encrypt, recipients: [labKitKey.recipient], drillIdentity } as E
}

/** The same pair for the same words. */
function keyPairOf(words: string): KeyPair {
  const seed = createHash('sha256').update(words).digest()
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const open = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
  return {
    recipient: bech32.encode('age', bech32.toWords(open)),
    identity: bech32.encode('age-secret-key-', bech32.toWords(seed)).toUpperCase(),
  }
}
