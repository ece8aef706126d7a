import { execa } from 'execa'
import type { System } from '../kinds/index.ts'

/** How to reach the parts of the lab. */
export interface LabAccess {
  /** A binary that acts as kubectl when called by that name, and the kubeconfig of the cluster that stands for all clusters. */
  readonly kubectl: { readonly binary: string; readonly kubeconfig: string }
  /** The first words of every command on the Docker host; passes standard input and each argument unchanged (ssh would not). */
  readonly dockerHost: readonly string[]
  /** The store, and the keys that open a system's bucket. The endpoint is the same for pods, the Docker host and this machine. */
  readonly storeOf: (system: System) => StoreAccess
  /** `agent` has rclone and node, `base` a PostgreSQL server; both are present on the node, `agent` on the Docker host too. */
  readonly images: { readonly agent: string; readonly base: string }
}

/** What opens a bucket. */
export interface StoreAccess {
  readonly endpoint: string
  readonly region: string
  /** rclone's name of the S3 provider. */
  readonly provider: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Seconds that one command may take. */
const COMMAND_SECONDS = 600

/** The variables that define the rclone remote `store:`. */
export function rcloneRemote(store: StoreAccess): Record<string, string> {
  return {
    RCLONE_CONFIG_STORE_TYPE: 's3',
    RCLONE_CONFIG_STORE_PROVIDER: store.provider,
    RCLONE_CONFIG_STORE_ENDPOINT: store.endpoint,
    RCLONE_CONFIG_STORE_REGION: store.region,
    RCLONE_CONFIG_STORE_ACCESS_KEY_ID: store.accessKeyId,
    RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: store.secretAccessKey,
  }
}

/** Runs kubectl with this standard input and returns what it prints. Rejects with kubectl's own message. */
export async function kubectl(lab: LabAccess, args: readonly string[], input = ''): Promise<string> {
  const { binary, kubeconfig } = lab.kubectl
  return await run(binary, [`--kubeconfig=${kubeconfig}`, ...args], input, 'kubectl')
}

/** Runs a command in a container and returns what it prints. `target` is `pod/NAME` or `statefulset/NAME`. */
export async function inPod(
  lab: LabAccess,
  { namespace, target, container }: { namespace: string; target: string; container: string },
  command: readonly string[],
  input?: string,
): Promise<string> {
  return await kubectl(lab, ['exec', '-i', '-n', namespace, target, '-c', container, '--', ...command], input)
}

/** Runs a command on the Docker host and returns what it prints. */
export async function onDockerHost(lab: LabAccess, command: readonly string[], input = ''): Promise<string> {
  const [file = '', ...args] = lab.dockerHost
  return await run(file, [...args, ...command], input)
}

async function run(file: string, args: readonly string[], input: string, argv0 = file): Promise<string> {
  const result = await execa(file, args, {
    argv0,
    input,
    timeout: COMMAND_SECONDS * 1000,
    // A tree's fingerprint is some 250 bytes an entry, and production has 135,000.
    maxBuffer: 1024 ** 3,
    reject: false,
  })
  if (!result.failed) return result.stdout
  const said = (result.stderr || result.stdout).trim().split('\n').slice(-5).join('\n')
  throw new Error(`${shown([argv0, ...args])}: ${said || result.shortMessage}`)
}

/** A command for an error message: short, without the kubeconfig. */
function shown(command: readonly string[]): string {
  const text = command.filter(word => !word.startsWith('--kubeconfig=')).join(' ')
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
