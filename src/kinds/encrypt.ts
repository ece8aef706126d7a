import Type from 'typebox'
import { type SecretKey, type SystemFinding, secretKeySchema } from './kind.ts'

/** The public keys of copies that are always encrypted, and of those that are by choice. */
export const recipientSchema = Type.String({ format: 'age-recipient' })

const recipients = Type.Array(recipientSchema, {
  description:
    'Public age keys (`age-keygen`), each of which opens the copies alone: that of the drills, and those of operators, whose private keys stay outside the installation',
  minItems: 2,
  uniqueItems: true,
})

/** The schema of `encrypt` of a system in a cluster. */
export const encryptSchema = Type.Object(
  {
    recipients,
    drillIdentity: Type.Object(secretKeySchema.properties, {
      additionalProperties: false,
      description:
        'The key of a Secret of the namespace with the private age key that drills and restores use. Nothing else has it',
    }),
  },
  {
    additionalProperties: false,
    description: 'Copies are encrypted before they leave the pod, with age. Left out: they are not',
  },
)

/** The schema of `encrypt` of a system on a host: its drills get the private key from AWX. */
export const encryptOnHostSchema = Type.Object(
  { recipients },
  {
    additionalProperties: false,
    description:
      'Copies are encrypted before they leave the host, with age. The private key that drills and restores use is in the credential `Key: <system>`. Left out: they are not',
  },
)

interface MayEncrypt {
  readonly name: string
  readonly image?: string
  readonly encrypt?: { readonly recipients: readonly string[]; readonly drillIdentity?: SecretKey }
}

/** The agent's variables by which a backup encrypts. */
export function encryptEnvironment({ encrypt }: MayEncrypt): Record<string, string> {
  return encrypt ? { BACKUP_RECIPIENTS: encrypt.recipients.join(' ') } : {}
}

/** The image that a system names must be able to encrypt. */
export function encryptFindings({ encrypt, image }: MayEncrypt): SystemFinding[] {
  if (!encrypt || image === undefined) return []
  return [
    {
      key: 'encrypt',
      message: `\`${image}\` encrypts nothing, only the agent does`,
      suggest: 'leave out `encrypt`, or `image`',
    },
  ]
}

/** What a recovery of encrypted copies needs besides them, for the runbook. */
export function keepKey({ name, encrypt }: MayEncrypt): { what: string; why: string }[] {
  if (!encrypt) return []
  return [{ what: `a private age key that belongs to a recipient of ${name}`, why: 'its copies open with it alone' }]
}

/**
 * A shell function that decrypts its input if the name of the copy says so; `KEY` names the file with the private key.
 *
 * @param age the command, with the file as it sees it
 */
export function openByHand(age = 'age -d -i "$KEY"'): string {
  return `open() { case $1 in *.age) ${age} ;; *) cat ;; esac; }`
}

/** What a block of commands with `openByHand` needs. */
export const keyNeeded = 'You need one of the private keys that belong to its recipients, in a file that `KEY` names.'
