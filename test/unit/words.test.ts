import { execa } from 'execa'
import { expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'

/** Names and words that have one plain replacement: see the glossary in docs/ARCHITECTURE.md. */
const replaced = [
  'rehears',
  'takeBack',
  'helpless',
  'ended well',
  'ends well',
  'went well',
  'nobody foresaw',
  'gone on with',
  'images in use before',
  'last words',
  'claims to be of',
  'told to go on',
  'vouches for nothing',
]

test('words that were replaced do not come back', async () => {
  const pattern = replaced.join('|')
  const places = ['*.md', '*.ts', '*.js', '*.yml', '*.j2', '*.py', ':!test/unit/words.test.ts']
  const found = await execa('git', ['grep', '-nIiE', pattern, '--', ...places], { cwd: projectRoot, reject: false })
  expect(found.stdout).toBe('')
})
