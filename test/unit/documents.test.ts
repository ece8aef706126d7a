import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import packageFile from '../../package.json' with { type: 'json' }
import { projectRoot } from '../../src/ansible/venv.ts'

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8')
const pages = globSync(['*.md', 'docs/**/*.md', 'roles/*/README.md'], { cwd: projectRoot })
const readme = read('README.md')

/** The links of a page to files of the repository, as paths from its root with their anchors. */
function linksOf(page: string): string[] {
  return [
    ...read(page)
      .replaceAll(/`[^`]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, target = '']) => target)
    .filter(target => !/^[a-z]+:/.test(target))
    .map(target =>
      target.startsWith('#') ? page + target : relative(projectRoot, join(projectRoot, dirname(page), target)),
    )
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('README sends who is on call to the runbook in its first lines', () => {
  expect(readme.split('\n').slice(0, 6).join('\n')).toContain('On call?** → [docs/RUNBOOK.md](docs/RUNBOOK.md)')
})

test('README links every page of docs/', () => {
  const linked = linksOf('README.md')
  expect(pages.filter(page => page.startsWith('docs/') && !linked.includes(page))).toEqual([])
})

test.each(pages)('every link of %s leads somewhere', page => {
  const broken = linksOf(page).filter(link => {
    const [path = '', anchor] = link.split('#')
    if (!existsSync(join(projectRoot, path))) return true
    return anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).includes(anchor)
  })
  expect(broken).toEqual([])
})

describe('the commands in the pages', () => {
  const calls = pages.flatMap(page =>
    [...read(page).matchAll(/npm (?:run )?([a-z:-]+)((?: -- [^`\n#|]*)?)/g)]
      .filter(([text, name]) => text.startsWith('npm run ') || name === 'test')
      .map(([, name = '', rest = '']) => ({ page, name, options: rest.match(/--[a-z][a-z-]*/g) ?? [] })),
  )
  const names = [...new Set(calls.map(({ name }) => name))]

  test('are scripts of package.json', () => {
    expect(names.filter(name => !(name in packageFile.scripts))).toEqual([])
  })

  test.each(names)('npm run %s has the options that they use', async name => {
    const script = packageFile.scripts[name as keyof typeof packageFile.scripts]
    const command = /tools\/backups\.js (\w+)/.exec(script)?.[1]
    const used = calls.filter(call => call.name === name).flatMap(({ options }) => options)
    if (command === undefined) return expect(used).toEqual([])
    const main = join(projectRoot, 'tools/main.ts')
    const { stdout } = await execa(process.execPath, [main, command, '--help'], { cwd: projectRoot })
    expect(used.filter(option => !stdout.includes(option))).toEqual([])
  })
})

test('.node-version is the Node.js that npm installs', () => {
  expect(read('.node-version').trim()).toBe(packageFile.devDependencies.node)
})

test('the changelog begins with the version of package.json', () => {
  expect(/^## (.*)$/m.exec(read('CHANGELOG.md'))?.[1]).toBe(packageFile.version)
})
