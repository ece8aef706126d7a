import { afterEach, beforeEach, expect, test } from 'vitest'
import production from '../../backups.config.ts'
import { definitions } from '../../src/awx/definitions.ts'
import { kindOf } from '../../src/kinds/index.ts'
import { type Lab, standingLab } from '../../src/lab/lab.ts'
import { kubectl, onDockerHost } from '../../src/lab/reach.ts'
import { readCredentials } from '../../src/launch/credentials.ts'
import { launchLocal } from '../../src/launch/launch-local.ts'
import { findTemplate } from '../../src/launch/launchable.ts'
import { commandLinesDuring, leaks } from '../support/planted.ts'

// As a person who looks for a fault runs a job.
beforeEach(() => {
  process.env.ANSIBLE_VERBOSITY = '3'
})
afterEach(() => {
  delete process.env.ANSIBLE_VERBOSITY
})

test('no value of a Secret or credential is in what jobs print, what the cluster and Docker show, or a command line', async () => {
  const lab = await standingLab(production)
  const systems = lab.config.systems
  const all = definitions(lab.config)
  const credentials = await readCredentials(lab.credentials)
  const texts: Record<string, string> = {}
  const launch = async (name: string, answers = {}) => {
    const lines: string[] = []
    const { exitCode } = await launchLocal(all, findTemplate(all, name), {
      answers,
      inventory: lab.inventory,
      credentials,
      signal: new AbortController().signal,
      log: line => void lines.push(line),
    })
    texts[`the output of "${name}"`] = lines.join('\n')
    expect(exitCode, lines.slice(-20).join('\n')).toBe(0)
    expect(lines.join('\n')).toContain('task path: ')
  }
  const jobs: [string, Record<string, string>?][] = [
    ['Deploy backups: production'],
    ['Back up: rancher-server', { rancher_backup_ignore_window: 'yes' }],
    ['Back up: infra-db-production'],
    ['Test restore: kit-awx'],
    ['Verify: production-stack-media'],
  ]
  texts['a command line'] = await commandLinesDuring(async () => {
    for (const [name, answers] of jobs) await launch(name, answers)
  })
  const namespaces = [...new Set(systems.flatMap(system => kindOf(system).inCluster(system)?.namespace ?? []))]
  for (const namespace of namespaces) Object.assign(texts, await shownBy(lab, namespace))
  const containers = (await onDockerHost(lab, ['docker', 'ps', '--all', '--quiet'])).split('\n').filter(Boolean)
  texts['the containers of the Docker host'] = await onDockerHost(lab, ['docker', 'inspect', ...containers])
  texts['the journal of the Docker host'] = (
    await Promise.all(containers.map(container => onDockerHost(lab, ['docker', 'logs', container])))
  ).join('\n')

  const secrets: Record<string, string> = {}
  for (const [name, inputs] of Object.entries(credentials)) {
    for (const [field, value] of Object.entries(inputs)) {
      // Its lines are what a text would show of a key.
      const longest =
        String(value)
          .split('\n')
          .toSorted((a, b) => b.length - a.length)[0] ?? ''
      if (!/host|url|username|access_key_id|cert/.test(field) && longest.length >= 16)
        secrets[`${field} of ${name}`] = longest
    }
  }
  for (const namespace of namespaces) Object.assign(secrets, await valuesOf(lab, namespace))
  expect(Object.keys(secrets).length).toBeGreaterThan(20)
  expect(texts['the output of "Back up: infra-db-production"']).toContain('SUCCESS')
  expect(leaks(secrets, texts)).toEqual([])
})

/** What somebody sees who may read everything in a namespace but its Secrets. */
async function shownBy(lab: Lab, namespace: string): Promise<Record<string, string>> {
  const kinds = 'pods,jobs,cronjobs,events,configmaps,deployments,statefulsets,services,persistentvolumeclaims'
  const objects = await kubectl(lab, ['get', kinds, '--namespace', namespace, '--output=json'])
  const pods = (await kubectl(lab, ['get', 'pods', '--namespace', namespace, '--output=name'])).split('\n')
  const logs = pods
    .filter(Boolean)
    // A pod that a Job's history drops goes meanwhile.
    .map(pod => kubectl(lab, ['logs', pod, '--namespace', namespace, '--all-containers']).catch(() => ''))
  return {
    [`the objects of ${namespace}`]: objects,
    [`the logs of ${namespace}`]: (await Promise.all(logs)).join('\n'),
  }
}

/** The values of a namespace's Secrets that are not in a text by chance. */
async function valuesOf(lab: Lab, namespace: string): Promise<Record<string, string>> {
  const list = JSON.parse(await kubectl(lab, ['get', 'secrets', '--namespace', namespace, '--output=json'])) as {
    items: { metadata: { name: string }; data?: Record<string, string> }[]
  }
  return Object.fromEntries(
    list.items.flatMap(({ metadata, data = {} }) =>
      Object.entries(data)
        .filter(([key]) => !/user|access_key_id/.test(key))
        .map(([key, value]) => [`${key} of ${namespace}/${metadata.name}`, Buffer.from(value, 'base64').toString()])
        .filter(([, value = '']) => value.length >= 16),
    ),
  )
}
