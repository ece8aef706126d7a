import { setTimeout as sleep } from 'node:timers/promises'
import { inPod, kubectl, type LabAccess } from './reach.ts'

/** A pod for one piece of work, and what it needs; all of it is removed afterwards. */
export interface LabPod {
  readonly namespace: string
  /** Whether the namespace is created for the pod and removed with it. */
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

/** Creates the pod, waits until it is ready, works in it, and removes it in the end, also if the work fails. */
export async function withPod<T>(
  lab: LabAccess,
  pod: LabPod,
  work: (inContainer: InContainer) => Promise<T>,
): Promise<T> {
  const objects = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objectsOf(pod) })
  const remove = (...wait: string[]) => kubectl(lab, ['delete', '-f', '-', '--ignore-not-found', ...wait], objects)
  // An interrupted run may have left one behind; a namespace takes a while to go.
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

/** A container that waits for commands; it has rclone, with the remote `store:`. */
export function toolsContainer(
  lab: LabAccess,
  pod: string,
  mounts: readonly Record<string, unknown>[],
): LabPod['containers'][number] {
  return {
    name: 'tools',
    image: lab.images.agent,
    imagePullPolicy: 'IfNotPresent',
    command: ['sleep', 'infinity'],
    // Only root can restore owners and modes.
    securityContext: { runAsUser: 0, runAsGroup: 0 },
    envFrom: [{ secretRef: { name: pod } }],
    volumeMounts: mounts,
  }
}

/** Works in a pod that has a claim at /volume. */
export async function withVolume<T>(
  lab: LabAccess,
  system: { readonly name: string; readonly namespace: string },
  claimName: string,
  work: (inContainer: InContainer) => Promise<T>,
): Promise<T> {
  const name = `volume-of-${system.name}`
  const pod = {
    namespace: system.namespace,
    ownNamespace: false,
    name,
    containers: [toolsContainer(lab, name, [{ name: 'volume', mountPath: '/volume' }])],
    volumes: [{ name: 'volume', persistentVolumeClaim: { claimName } }],
    variables: {},
  }
  return await withPod(lab, pod, work)
}

/** Deletes everything on a claim. */
export async function emptyVolume(
  lab: LabAccess,
  system: { readonly name: string; readonly namespace: string },
  claim: string,
): Promise<void> {
  await withVolume(lab, system, claim, inContainer =>
    inContainer('tools', ['find', '/volume', '-mindepth', '1', '-delete']),
  )
}

function objectsOf({
  namespace,
  ownNamespace,
  name,
  containers,
  volumes,
  variables,
}: LabPod): Record<string, unknown>[] {
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

async function ready(lab: LabAccess, { namespace, name }: LabPod): Promise<void> {
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
