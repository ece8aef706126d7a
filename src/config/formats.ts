import { posix } from 'node:path'
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

// S3's rules for general purpose buckets; Ceph refuses `.-` and `-.` besides.
const bucket = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const notBucket = [
  /[.-]\.|\.-/,
  /^\d+\.\d+\.\d+\.\d+$/,
  /^(xn--|sthree-|amzn-s3-demo-)/,
  /(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/,
]

// The grammar of github.com/distribution/reference: a name with or without a registry, a tag, a digest.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const domain = `(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`
const digest = 'sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}'
const image = new RegExp(
  `^((?:${domain}/)?${component}(?:/${component})*)(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@(?:${digest}))?$`,
)

function isImage(text: string): boolean {
  const name = image.exec(text)?.[1]
  // 255 characters with `docker.io/library/`, which is put before a name without a registry. 64 hexadecimal digits are
  // the id of an image, not a name.
  return name !== undefined && name.length <= 237 && !/^[a-f0-9]{64}$/.test(name)
}

/** An IPv4 address with four decimal numbers, as it is written out. */
function isIpv4(text: string): boolean {
  return URL.canParse(`http://${text}`) && new URL(`http://${text}`).hostname === text && /^\d+(\.\d+){3}$/.test(text)
}

/** A name of the DNS (RFC 1123) or an IP address, without brackets; never an option. */
function isHost(text: string): boolean {
  if (text.includes(':')) return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`)
  const labels = text.replace(/\.$/, '').split('.')
  // A name whose last label is a number would be read as an address, in whatever notation.
  if (/^(\d+|0x[\da-f]*)$/i.test(labels.at(-1) ?? '')) return isIpv4(text)
  return text.length <= 253 && labels.every(part => part.length <= 63 && new RegExp(`^${domainPart}$`).test(part))
}

/** The parts of an address, if it is written in full: a scheme, `//`, and a host that exists in the DNS's grammar. */
function addressParts(text: string): URL | undefined {
  // In ASCII, without a fragment or an empty port, which parsers let pass.
  if (!/^[a-z]+:\/\/[^/]/i.test(text) || /[^!-~]|[\\#]|:(?=[/?]|$)/.test(text.replace(/^[a-z]+:/i, '')))
    return undefined
  if (!URL.canParse(text)) return undefined
  const parts = new URL(text)
  // Not one that the parser had to rewrite: `0x7f.1`, `%41`.
  if (!text.toLowerCase().includes(parts.hostname)) return undefined
  return isHost(parts.hostname.replace(/^\[|\]$/g, '')) ? parts : undefined
}

/** An address of `http` or `https`, without a user or password. */
function isHttpAddress(text: string): boolean {
  const parts = addressParts(text)
  return parts !== undefined && /^https?:$/.test(parts.protocol) && parts.username === '' && parts.password === ''
}

/** What `git` fetches from: https, ssh (`user@host:path` too), or a folder for tests. */
function isRepository(text: string): boolean {
  const short = /^(?:[\w.][\w.-]*@)?([\w.-]+):(?!\/\/|-)[\w./~-]+$/.exec(text)?.[1]
  if (short !== undefined) return isHost(short)
  if (/^file:\/\/\/[!-~]+$/.test(text)) return true
  const parts = addressParts(text)
  if (!parts || !['https:', 'http:', 'ssh:', 'git:'].includes(parts.protocol) || parts.password !== '') return false
  // git refuses what ssh could take for an option, in the user's name and after `/~`, too.
  if (parts.username.startsWith('-')) return false
  return (parts.protocol === 'ssh:' || parts.username === '') && /^\/[^-]/.test(parts.pathname)
}

/** A branch, tag or commit by the rules of `git check-ref-format`. */
function isRevision(text: string): boolean {
  return (
    // biome-ignore lint/suspicious/noControlCharactersInRegex: git refuses them
    !/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock\/|^[-./]|^@$|[/.]$|\.lock$/.test(text) && text !== ''
  )
}

/** `name@host` as the HTML standard takes it, with a host of the DNS. */
function isMailAddress(text: string): boolean {
  const [, host] = /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@([^@]+)$/.exec(text) ?? []
  return host !== undefined && !host.includes(':') && isHost(host)
}

/** An age recipient: 32 bytes in Bech32 with the prefix `age`, whose checksum holds. */
function isAgeRecipient(text: string): boolean {
  // Bech32 may be in capitals; age reads it in lower case only.
  if (text !== text.toLowerCase()) return false
  const decoded = bech32.decodeUnsafe(text as `age1${string}`)
  return decoded !== undefined && decoded.prefix === 'age' && bech32.fromWordsUnsafe(decoded.words)?.length === 32
}

const isPath = (text: string) => /^\/[\w./@+,=%-]*$/.test(text)

/** A folder that can be somebody's data: not a folder of the system's own, as `/etc` or `/proc/sys` are. */
function isDataPath(text: string): boolean {
  const [top = '', ...below] = posix.normalize(text).split('/').filter(Boolean)
  return isPath(text) && below.length > 0 && !['dev', 'proc', 'run', 'sys'].includes(top)
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
  'kubernetes-service': {
    // RFC 1035, which every release of Kubernetes takes.
    accepts: text => /^[a-z]/.test(text) && isLabel(text),
    means:
      "a Service's name that Kubernetes accepts: lower-case letters, digits and hyphens, beginning with a letter, at most 63 characters",
  },
  'kubernetes-label-value': {
    accepts: text => text.length <= 63 && qualifiedName.test(text),
    means:
      "a label's value that Kubernetes accepts: letters, digits, hyphens, underscores and dots, at most 63 characters",
  },
  bucket: {
    accepts: text => bucket.test(text) && !notBucket.some(refused => refused.test(text)),
    means:
      'a bucket name that S3 accepts: 3 to 63 lower-case letters, digits, hyphens and single dots; not an IP address, and no reserved prefix or suffix such as `xn--` or `-s3alias`',
  },
  region: {
    accepts: text => new RegExp(`^${domainPart}$`).test(text) && text.length <= 63,
    means: 'a region: letters, digits and hyphens, such as `us-east-1`',
  },
  image: {
    accepts: isImage,
    means: 'an image reference: `registry/name:tag` or `registry/name@sha256:…`, in lower case',
  },
  timezone: {
    // `Factory` is what a clock has that nobody has set.
    accepts: text => Object.hasOwn(tzdata.zones, text) && text !== 'Factory',
    means: "a time zone of the IANA list, spelled exactly, such as 'Europe/London' or 'Etc/UTC'",
  },
  host: { accepts: isHost, means: 'a host name or an IP address' },
  path: {
    // Docker separates paths by colons, and people write paths into commands.
    accepts: isPath,
    means: 'an absolute path: letters, digits and ._-@+,=%',
  },
  'data-path': {
    accepts: isDataPath,
    means:
      'a folder for data: an absolute path of at least two folders, such as `/var/lib/rancher`, outside of `/dev`, `/proc`, `/run` and `/sys`; letters, digits and ._-@+,=%',
  },
  line: {
    accepts: text => /^[^\p{C}\s](?:[^\p{Cc}\p{Zl}\p{Zp}]*[^\p{C}\s])?$/u.test(text),
    means: 'one line of text: no line breaks, no other control characters, no spaces at its ends',
  },
  'http-address': { accepts: isHttpAddress, means: 'an http or https address without a user or password' },
  'mail-address': { accepts: isMailAddress, means: 'a mail address: name@host' },
  repository: {
    accepts: isRepository,
    means: 'an address that git can fetch from, without a password: https://host/path or git@host:path',
  },
  revision: { accepts: isRevision, means: 'a branch, tag or commit that git accepts' },
  'postgres-name': {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of a role or database that anybody made
    accepts: text => Buffer.byteLength(text) <= 63 && /^[^\x00-\x1f\x7f]+$/.test(text),
    means: 'a name that PostgreSQL keeps whole: at most 63 bytes, no control characters',
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
