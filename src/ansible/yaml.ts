import { type Document, defineScalarTag, dump, type NOT_RESOLVED, SCALAR_STYLE, visit, YAML11_SCHEMA } from 'js-yaml'

/** A text that Ansible must never evaluate as a template; written with the tag `!unsafe`. */
export class Unsafe {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** The Python that runs the play. */
export const playbookPython = '{{ ansible_playbook_python }}'

/** The config for the kits, a variable of the host `awx`: a copy in the variables of every kit would be as long again. */
export const kitConfig = "{{ hostvars['awx'].kit_config | join }}"

// The only templates that the generated inventory contains.
const ours = [playbookPython, kitConfig]

// Ansible reads YAML 1.1, where `yes`, `0755` and `12:30:45` are not the strings they look like.
const ansibleSchema = YAML11_SCHEMA.withTags(
  defineScalarTag<Unsafe | typeof NOT_RESOLVED>('!unsafe', {
    resolve: source => new Unsafe(source),
    identify: value => value instanceof Unsafe,
    represent: (value: Unsafe) => value.text,
  }),
)

// What Python's YAML reads as a time, and fails on if there is no such day or hour; js-yaml does not quote that one.
const time = /^\d{4}-\d\d?-\d\d?(?:$|[Tt \t])/

function quoteTimes(documents: Document[]): void {
  visit(documents, node => {
    if (node.kind === 'scalar' && time.test(String(node.value))) node.style = SCALAR_STYLE.SINGLE_QUOTED
  })
}

/** A value as YAML for Ansible: keys sorted, so that equal values give equal text. */
export function ansibleYaml(value: unknown): string {
  return dump(value, { schema: ansibleSchema, sortKeys: true, lineWidth: 120, noRefs: true, transform: quoteTimes })
}

// What Ansible takes for the start of a template. A text with none of these is used as it is.
const template = /\{\{|\{%|\{#|^#jinja2:/

/**
 * A value whose texts Ansible uses as they are, at any depth: each that would be evaluated as a template becomes
 * `Unsafe`. Text from the config or from a person is data; evaluated, it could run any command.
 */
export function literal(value: unknown): unknown {
  if (typeof value === 'string') return template.test(value) && !ours.includes(value) ? new Unsafe(value) : value
  if (Array.isArray(value)) return value.map(literal)
  if (typeof value === 'object' && value !== null && !(value instanceof Unsafe)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, literal(inner)]))
  }
  return value
}
