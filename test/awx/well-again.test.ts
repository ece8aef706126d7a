import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { definitions } from '../../src/awx/definitions.ts'
import { missingCollections, type NeededCollection, neededCollections } from '../../src/plan/collections.ts'
import { type NotifiedAwx, startNotifiedAwx } from '../support/notified.ts'

// Always on the stand-in: how a job ends is decided here. What tells of it is really played, by ansible-playbook.

let awx: NotifiedAwx
beforeAll(async () => {
  awx = await startNotifiedAwx(production)
})
afterAll(() => awx?.end())
beforeEach(() => void awx.messages())

const look = 'Tell what is well again'
const texts = () => awx.messages().map(({ text }) => text)

it('says nothing while everything succeeds', async () => {
  await awx.run('Verify: infra-db-production')
  await awx.run(look)
  await awx.run('Verify: infra-db-production')
  await awx.run(look)
  expect(texts()).toEqual([])
})

it('says once that a system is well again, since when and what it was', async () => {
  await awx.run('Verify: production-stack-db', 'failed')
  await awx.run('Verify: production-stack-db', 'failed')
  expect(texts()).toEqual([
    expect.stringContaining("production-stack-db: 'Verify: production-stack-db' has failed"),
    expect.stringContaining("production-stack-db: 'Verify: production-stack-db' has failed"),
  ])
  await awx.run(look)
  expect(texts()).toEqual([])

  await awx.run('Verify: production-stack-db')
  await awx.run(look)
  const [message, ...others] = awx.messages()
  expect(others).toEqual([])
  expect(message).toMatchObject({ system: 'production-stack-db', job: 'Well again', status: 'successful' })
  expect(message?.text).toMatch(
    /^production-stack-db: well again. Since \d{4}-\d\d-\d\d \d\d:\d\d UTC; it was not since \d{4}-\d\d-\d\d \d\d:\d\d UTC\. Failed: Verify: production-stack-db \(2 in a row\)\. To do: nothing\. http:/,
  )

  await awx.run(look)
  await awx.run('Verify: production-stack-db')
  await awx.run(look)
  expect(texts()).toEqual([])
})

it('waits until every scheduled job of the system succeeds; and misses none between two looks', async () => {
  await awx.run('Verify: rancher-server', 'failed')
  await awx.run('Back up: rancher-server', 'failed')
  awx.messages()
  await awx.run('Verify: rancher-server')
  await awx.run('Verify: rancher-server')
  await awx.run(look)
  expect(texts()).toEqual([])
  await awx.run('Back up: rancher-server')
  await awx.run('Back up: rancher-server')
  await awx.run('Verify: kit-awx', 'failed')
  awx.messages()
  await awx.run('Verify: kit-awx')
  await awx.run(look)
  // AWX runs both jobs at once, so either may tell first.
  const told = awx.messages().map(({ system }) => system)
  expect(told.toSorted()).toEqual(['kit-awx', 'rancher-server'])
})

it('a job that nobody schedules does not keep a system from being well again', async () => {
  await awx.run('Restore: infra-db-development', 'failed')
  await awx.run('Verify: infra-db-development', 'failed')
  await awx.run('Verify: infra-db-development')
  awx.messages()
  await awx.run(look)
  expect(awx.messages().map(({ system }) => system)).toEqual(['infra-db-development'])
})

it('leaves which collections jobs have, and `plan` names those that they lack or have in another version', async () => {
  const all = definitions(production)
  const missing = async (needed: readonly NeededCollection[]) =>
    (await missingCollections(all, awx.api, needed)).map(({ kind, name, note }) => `${kind} ${name}: ${note}`)
  const needed = neededCollections(await readFile('collections/requirements.yml', 'utf8'))
  expect(needed.map(({ name }) => name)).toEqual(['awx.awx', 'kubernetes.core'])
  expect(await missing([{ name: 'awx.awx', version: '24.6.1' }])).toEqual([])
  expect(
    await missing([
      { name: 'kubernetes.core', version: '>=2.4.0,<3.0.0' },
      { name: 'nobody.has', version: '1.0.0' },
    ]),
  ).toEqual([
    expect.stringMatching(
      /^collection of .* kubernetes\.core: jobs have its version 6\.\d+\.\d+; they need >=2\.4\.0,<3\.0\.0\. /,
    ),
    expect.stringMatching(/^collection of .* nobody\.has: jobs have no such collection; they need 1\.0\.0\. /),
  ])
})
