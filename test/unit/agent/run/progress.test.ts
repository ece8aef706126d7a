import { execa } from 'execa'
import { expect, test } from 'vitest'

// Two seconds of work that tells how far it is ten times a second.
const work = `
import { log, progress } from './src/agent/run/log.ts'
const told = progress('uploaded', 20_000_000)
for (let done = 1; done <= 20; done += 1) {
  await new Promise(resolve => setTimeout(resolve, 100))
  told(done * 1_000_000)
}
log('done')
`
const node = [process.execPath, '--input-type=module-typescript', '--eval', work]

test('in a terminal, progress is one line that is written again, with the time left', async () => {
  const command = node.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const { stdout } = await execa('script', ['--quiet', '--return', '--command', command, '/dev/null'])
  const shown = stdout.split('\r\u001b[K').filter(text => text.startsWith('uploaded'))
  expect(shown.length).toBeGreaterThanOrEqual(2)
  for (const text of shown)
    expect(text).toMatch(/^uploaded: [\d.]+ MiB of 19\.1 MiB \(\d+ %\), [\d.]+ MiB\/s, \d+ s left$/)
  expect(stdout.split('\r\u001b[K').at(-1)).toMatch(/^\d{4}-.*Z done/)
})

test('in a log it is not written for a while, and nothing is cleared', async () => {
  const [program = '', ...args] = node
  const { stderr } = await execa(program, args)
  expect(stderr).toMatch(/^\d{4}-\S+Z done$/)
})
