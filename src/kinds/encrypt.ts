import Type from 'typebox'
import { type SecretKey, type SystemFinding, secretKeySchema } from './kind.ts'

/** A public age key. */
export const recipientSchema = Type.String({ format: 'age-recipient' })

const recipients = Type.Array(recipientSchema, {
  description:
    "The operators' public keys (`age-keygen`): each of them alone opens the copies. The private keys are kept outside the installation",
  minItems: 1,
  uniqueItems: true,
})
const drillRecipient =
  'The public key of the private key that drills and restores use. Copies are encrypted to it as well'

/** The schema of `encrypt` of a system in a cluster. */
export const encryptSchema = Type.Object(
  {
    recipients,
    drillIdentity: Type.Object(
      {
        ...secretKeySchema.properties,
        recipient: Type.String({ ...recipientSchema, description: drillRecipient }),
      },
      {
        additionalProperties: false,
        description:
          'Where the private key of drills and restores is: a Secret of the namespace. Each system has a key of its own',
      },
    ),
  },
  {
    additionalProperties: false,
    description: 'Copies are encrypted before they leave the pod, with age. Left out: they are not',
  },
)

/** The schema of `encrypt` of a system on a host: its drills get the private key from AWX. */
export const encryptOnHostSchema = Type.Object(
  { recipients, drillRecipient: Type.String({ ...recipientSchema, description: drillRecipient }) },
  {
    additionalProperties: false,
    description:
      'Copies are encrypted before they leave the host, with age. The private key that drills and restores use is in the credential `Key: <system>`. Left out: they are not',
  },
)

interface MayEncrypt {
  readonly name: string
  readonly image?: string
  readonly encrypt?: {
    readonly recipients: readonly string[]
    readonly drillIdentity?: SecretKey & { readonly recipient: string }
    readonly drillRecipient?: string
  }
}

/** The public keys that a system's copies are encrypted to; none if they are not encrypted. */
export function recipientsOf(system: MayEncrypt): string[] {
  const { operators, drill } = openedBy(system)
  return [...operators, ...(drill === undefined ? [] : [drill])]
}

/** Whose keys open a system's copies, and where its config says so. */
export function openedBy({ encrypt }: MayEncrypt) {
  const host = encrypt?.drillRecipient !== undefined
  return {
    operators: encrypt?.recipients ?? [],
    drill: encrypt?.drillIdentity?.recipient ?? encrypt?.drillRecipient,
    drillAt: host ? 'encrypt.drillRecipient' : 'encrypt.drillIdentity.recipient',
  }
}

/** Where the private key is that restores and drills of a system in a cluster open copies with. */
export function identityOf({ encrypt }: MayEncrypt): SecretKey | undefined {
  const { secret, key } = encrypt?.drillIdentity ?? {}
  return secret === undefined || key === undefined ? undefined : { secret, key }
}

/** The agent's variables by which a backup encrypts. */
export function encryptEnvironment(system: MayEncrypt): Record<string, string> {
  return system.encrypt ? { BACKUP_RECIPIENTS: recipientsOf(system).join(' ') } : {}
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
