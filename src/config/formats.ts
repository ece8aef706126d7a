import { awsEndpointFunctions } from '@aws-sdk/util-endpoints'
import { bech32 } from '@scure/base'
import tzdata from 'tzdata/timezone-data.json' with { type: 'json' }

/** A kind of text whose rules are those of the system that will read it. */
interface Format {
  readonly accepts: (text: string) => boolean
  /** What it must be, after "is not". */
  readonly means: string
}

// The expressions of Kubernetes' own validation, k8s.io/apimachinery/pkg/util/validation.
const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = new RegExp(`^${label}(\\.${label})*$`)
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

const isLabel = (text: string) => text.length <= 63 && new RegExp(`^${label}$`).test(text)
const isSubdomain = (text: string) => text.length <= 253 && subdomain.test(text)

// The grammar of github.com/distribution/reference: a name with or without a registry, a tag, a digest.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const image = new RegExp(
  `^(?:${domainPart}(?:\\.${domainPart})*(?::[0-9]+)?/)?${component}(?:/${component})*` +
    '(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$',
)

/** An address of `http` or `https`, without a user or password. */
function isHttpAddress(text: string): boolean {
  if (/\s/.test(text) || !URL.canParse(text)) return false
  const { protocol, username, password, hostname } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === '' && hostname !== ''
}

/** What `ssh` takes as a host: a name or an IP address, never an option. */
function isHost(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return /^\d+(\.\d+){3}$/.test(text) && URL.canParse(`http://${text}`)
  if (text.includes(':')) return URL.canParse(`http://[${text}]`)
  return text.length <= 253 && new RegExp(`^${domainPart}(\\.${domainPart})*\\.?$`).test(text)
}

/** What `git` fetches from: https, ssh (`user@host:path` too), or a folder for tests. */
function isRepository(text: string): boolean {
  if (/\s/.test(text) || text.startsWith('-')) return false
  const short = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)[\w./~-]+$/.exec(text)?.[1]
  if (short !== undefined) return isHost(short)
  if (!URL.canParse(text)) return false
  const { protocol, password, username, hostname } = new URL(text)
  if (protocol === 'file:') return true
  if (!['https:', 'http:', 'ssh:', 'git:'].includes(protocol) || password !== '') return false
  return (protocol === 'ssh:' || username === '') && isHost(hostname.replace(/^\[|\]$/g, ''))
}

/** An age recipient: 32 bytes in Bech32 with the prefix `age`, whose checksum holds. */
function isAgeRecipient(text: string): boolean {
  const decoded = bech32.decodeUnsafe(text as `age1${string}`)
  return decoded !== undefined && decoded.prefix === 'age' && bech32.fromWordsUnsafe(decoded.words)?.length === 32
}

const hostKeyTypes = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa']

/** A public ssh key: its type, and in Base64 a body that begins with the same type (RFC 4253, section 6.6). */
function isHostKey(text: string): boolean {
  const [, type = '', encoded = ''] = /^(\S+) ([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  const body = Buffer.from(encoded, 'base64')
  if (!hostKeyTypes.includes(type) || body.toString('base64') !== encoded) return false
  // Each field is its length in four bytes, and so many bytes.
  const fields: Buffer[] = []
  let at = 0
  while (at + 4 <= body.length) {
    const end = at + 4 + body.readUInt32BE(at)
    fields.push(body.subarray(at + 4, end))
    at = end
  }
  return at === body.length && fields.length >= 2 && fields[0]?.toString('latin1') === type
}

/** Every format of the config's schema, by the name that the schema gives it. */
export const formats: Readonly<Record<string, Format>> = {
  'kubernetes-name': {
    accepts: isSubdomain,
    means: 'a name that Kubernetes accepts: lower-case letters, digits, hyphens and dots, at most 253 characters',
  },
  'kubernetes-namespace': {
    accepts: isLabel,
    means: 'a namespace that Kubernetes accepts: lower-case letters, digits and hyphens, at most 63 characters',
  },
  'kubernetes-secret-key': {
    accepts: text => text.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(text) && text !== '.' && !text.startsWith('..'),
    means: 'a key of a Secret that Kubernetes accepts: letters, digits, hyphens, underscores and dots',
  },
  'kubernetes-label': {
    accepts(text) {
      const [name = '', prefix, ...more] = text.split('/').reverse()
      return (
        more.length === 0 &&
        (prefix === undefined || isSubdomain(prefix)) &&
        name.length <= 63 &&
        qualifiedName.test(name)
      )
    },
    means:
      'a label key that Kubernetes accepts: a name of at most 63 characters, with a DNS prefix and `/` if it has one',
  },
  'kubernetes-size': {
    accepts: text => /^[1-9][0-9]*(Mi|Gi|Ti)$/.test(text),
    means: 'a size: a whole number above zero with Mi, Gi or Ti',
  },
  bucket: {
    accepts: text => text.length <= 63 && awsEndpointFunctions.isVirtualHostableS3Bucket?.(text, true) === true,
    means:
      'a bucket name that S3 accepts: 3 to 63 lower-case letters, digits, hyphens and single dots; not an IP address',
  },
  image: { accepts: text => text.length <= 512 && image.test(text), means: 'an image reference: `registry/name:tag`' },
  timezone: {
    accepts: text => Object.hasOwn(tzdata.zones, text),
    means: "a time zone of the IANA list, spelled exactly, such as 'Europe/London' or 'Etc/UTC'",
  },
  host: { accepts: isHost, means: 'a host name or an IP address' },
  'http-address': { accepts: isHttpAddress, means: 'an http or https address without a user or password' },
  repository: {
    accepts: isRepository,
    means: 'an address that git can fetch from, without a password: https://host/path or git@host:path',
  },
  'ssh-host-key': {
    accepts: isHostKey,
    means:
      'a public ssh key, type and body: what stands in `/etc/ssh/ssh_host_ed25519_key.pub` on the host, without the comment at its end',
  },
  'age-recipient': {
    accepts: isAgeRecipient,
    means: 'an age public key (`age1…`) with a valid checksum: copy the line that `age-keygen` printed',
  },
}
