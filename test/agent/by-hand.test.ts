import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { freshBucket } from '../support/bucket.ts'

/** The requests of `rclone copyto` into the bucket, as `PUT /bucket/a`. */
async function requests(variables: string, bucket: string, env: Record<string, string>): Promise<string[]> {
  const folder = await mkdtemp('/tmp/by-hand-')
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'a'), 'content')
  const script = `${variables}
export RCLONE_CONFIG_STORE_ENDPOINT=$RCLONE_S3_ENDPOINT
export RCLONE_CONFIG_STORE_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
exec rclone --config /dev/null --dump headers copyto ${folder}/a store:${bucket}/a`
  const { all } = await execa('bash', ['-euc', script], {
    all: true,
    extendEnv: false,
    env: { ...env, PATH: process.env.PATH ?? '' },
  })
  return [...all.matchAll(/^(?:.* : )?([A-Z]+) (\/\S*) HTTP\/1/gm)].map(
    ([, method, path = '']) => `${method} ${path.replace(/[?].*/, '')}`,
  )
}

test('an upload by hand with the variables of the runbook asks nothing of the bucket but its list', async () => {
  const { bucket, env, copies } = await freshBucket()
  const page = await readFile(join(projectRoot, 'docs/RUNBOOK.md'), 'utf8')
  const variables = /^export RCLONE_CONFIG_STORE_TYPE=.*$/m.exec(page)?.[0] ?? ''
  const ofBucket = (all: readonly string[]) => all.filter(line => /^(PUT|HEAD) /.test(line) && !line.endsWith('/a'))

  const made = await requests(variables, bucket, env)
  expect(made).toContain(`PUT /${bucket}/a`)
  expect(ofBucket(made)).toEqual([])
  expect(await copies()).toEqual(['a'])
  // Without the variable rclone looks at the bucket, to make it if it is missing.
  const without = variables.replace(/ RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true/, '')
  const other = await freshBucket()
  expect(ofBucket(await requests(without, other.bucket, env))).not.toEqual([])
})
