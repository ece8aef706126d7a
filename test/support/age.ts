import { execa } from 'execa'

/** A new pair of age keys: the file that `age-keygen` writes, and the public key. */
export async function keyPair(): Promise<{ identity: string; recipient: string }> {
  const { stdout: identity } = await execa('age-keygen', [])
  return { identity, recipient: /public key: (age1\w+)/.exec(identity)?.[1] ?? '' }
}
