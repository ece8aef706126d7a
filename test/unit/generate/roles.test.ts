import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { roleReadmes } from '../../../src/generate/roles.ts'

const specs = `
argument_specs:
  main:
    short_description: Water the plants
    description: [Reads C(WATER_HOST)., Takes no more than O(garden_plants) say]
    options: &options
      garden_plants:
        type: list
        elements: dict
        required: true
        description: The plants
        options:
          name: {type: str, choices: [fern, a|b], default: fern, description: [A name.]}
  dry:
    short_description: Water nothing
    options: *options
  wet:
    short_description: Water everything
    options:
      <<: *options
      garden_force: {type: bool, default: yes, description: Whether rain counts.}
`

test('a role has a README with every entry point and option, those of lists and dicts included', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  await mkdir(join(folder, 'garden/meta'), { recursive: true })
  await mkdir(join(folder, 'no-specs'))
  await writeFile(join(folder, 'garden/meta/argument_specs.yml'), specs)
  expect(Object.fromEntries(await roleReadmes(folder))).toEqual({
    'garden/README.md': `<!-- Made from meta/argument_specs.yml by \`npm run generate\`. Changes here are lost. -->
# garden

Water the plants.

Reads \`WATER_HOST\`.

Takes no more than \`garden_plants\` say.

| variable | type | default | |
|---|---|---|---|
| \`garden_plants\` | list of dict | required | The plants. |
| \`garden_plants[].name\` | str | \`"fern"\` | A name. One of fern, a\\|b. |

## Entry point \`dry\`

Water nothing.

Takes variables of the entry point \`main\`.

## Entry point \`wet\`

Water everything.

Takes variables of the entry point \`main\`, and:

| variable | type | default | |
|---|---|---|---|
| \`garden_force\` | bool | \`true\` | Whether rain counts. |
`,
  })
  await rm(folder, { recursive: true })
})
