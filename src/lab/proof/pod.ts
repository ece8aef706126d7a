import { setTimeout as sleep } from 'node:timers/promises'
import { inPod, kubectl, type ProofLab } from './reach.ts'

/** A pod for one proof, and what it needs; all of it goes when the proof ends. */
export interface ProofPod {
  readonly namespace: string
  /** The namespace is the proof's own, and goes with it. */
  readonly ownNamespace: boolean
  readonly name: string
  readonly containers: readonly ({ readonly name: string } & Record<string, unknown>)[]
  readonly volumes: readonly Record<string, unknown>[]
  /** The variables of the tools container, kept in a Secret. */
  readonly variables: Readonly<Record<string, string>>
}

/** Runs a command in a container of the pod and returns what it prints; `input` is its standard input. */
export type InContainer = (container: string, command: readonly string[], input?: string) => Promise<string>

/** Seconds that a pod may take until it is ready, or until it is gone. */
const POD_SECONDS = 120

/**
 * Makes the pod, waits until it is ready, does the work in it, and has every trace of it removed, whatever came of the
 * work.
 */
export async function withPod<T>(
  lab: ProofLab,
  pod: ProofPod,
  work: (inContainer: InContainer) => Promise<T>,
): Promise<T> {
  const objects = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objectsOf(pod) })
  const remove = (...wait: string[]) => kubectl(lab, ['delete', '-f', '-', '--ignore-not-found', ...wait], objects)
  // What the proof before left behind; a namespace takes its time to go.
  await remove(`--timeout=${POD_SECONDS}s`)
  try {
    await kubectl(lab, ['apply', '-f', '-'], objects)
    await ready(lab, pod)
    return await work((container, command, input) =>
      inPod(lab, { namespace: pod.namespace, target: `pod/${pod.name}`, container }, command, input),
    )
  } finally {
    await remove('--wait=false')
  }
}

/** A container that only waits for commands; it has rclone, with the remote `store:`. */
export function toolsContainer(
  lab: ProofLab,
  pod: string,
  mounts: readonly Record<string, unknown>[],
): ProofPod['containers'][number] {
  return {
    name: 'tools',
    image: lab.images.agent,
    imagePullPolicy: 'IfNotPresent',
    command: ['sleep', 'infinity'],
    // Owners and modes can be brought back by root alone.
    securityContext: { runAsUser: 0, runAsGroup: 0 },
    envFrom: [{ secretRef: { name: pod } }],
    volumeMounts: mounts,
  }
}

function objectsOf({
  namespace,
  ownNamespace,
  name,
  containers,
  volumes,
  variables,
}: ProofPod): Record<string, unknown>[] {
  const metadata = { namespace, name }
  return [
    ...(ownNamespace ? [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }] : []),
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: variables },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers,
        volumes,
      },
    },
  ]
}

async function ready(lab: ProofLab, { namespace, name }: ProofPod): Promise<void> {
  const deadline = performance.now() + POD_SECONDS * 1000
  for (;;) {
    const { status } = JSON.parse(await kubectl(lab, ['get', 'pod', name, `--namespace=${namespace}`, '--output=json']))
    if (status.conditions?.some((c: Condition) => c.type === 'Ready' && c.status === 'True')) return
    if (status.phase === 'Failed' || performance.now() > deadline) {
      const states = JSON.stringify(
        status.containerStatuses?.map((c: { state: unknown }) => c.state) ?? status.conditions,
      )
      const logs = ['logs', name, `--namespace=${namespace}`, '--all-containers', '--tail=5']
      const said = await kubectl(lab, logs).catch(() => 'nothing')
      throw new Error(`the pod ${namespace}/${name} did not become ready: ${states}; it said: ${said}`)
    }
    await sleep(500)
  }
}

interface Condition {
  readonly type: string
  readonly status: string
}
