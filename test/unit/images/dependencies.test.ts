import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import packageFile from '../../../package.json' with { type: 'json' }
import { projectRoot } from '../../../src/ansible/venv.ts'

// `npm ci --omit=dev` in the agent's Containerfile installs them all.
test('the dependencies of package.json are those that the agent imports; all others are for development', () => {
  const sources = globSync('src/{agent,store}/**/*.ts', { cwd: projectRoot }).map(path =>
    readFileSync(join(projectRoot, path), 'utf8'),
  )
  const imported = sources.flatMap(text =>
    [...text.matchAll(/^(?:import|export|\}) .*from '((?:@[^/']+\/)?[^/'.]+)[^']*'$/gm)].map(([, name = '']) => name),
  )
  expect(Object.keys(packageFile.dependencies).sort()).toEqual(
    [...new Set(imported)].filter(name => !isBuiltin(name)).sort(),
  )
})
