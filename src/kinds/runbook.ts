import type { Surroundings } from './kind.ts'

/** The command that launches a job template with these answers to its survey. */
export function launch(template: string, answers: Readonly<Record<string, string>>): string {
  const given = Object.entries(answers).map(([name, value]) => ` --answer ${name}=${value}`)
  return `npm run launch -- "${template}"${given.join('')}`
}

/**
 * A block of commands for bash that needs none of this software. It runs in a subshell: it stops at the first error,
 * its exit code shows whether it worked, and it leaves nothing behind (variables, background processes).
 */
export function byHand(...lines: readonly string[]): string {
  return ['```bash', '(', 'set -euo pipefail', ...lines, ')', '```'].join('\n')
}

/** Asks the operator to type a system's name before anything is changed. */
export function confirmation(question: string, name: string): string[] {
  return [
    `read -rp '${question} Type ${name} to continue: ' answer`,
    `[ "$answer" = ${name} ] || { echo 'Not confirmed: nothing was changed.' >&2; exit 1; }`,
  ]
}

/** `$k`: kubectl for one namespace of one cluster. Also prints the address of the API server. */
export function kubectl(cluster: string, namespace: string): string[] {
  return [
    `k='kubectl --context ${cluster} --namespace ${namespace}'`,
    "echo \"Cluster: $($k config view --minify --output jsonpath='{.clusters[0].cluster.server}'), namespace: " +
      `${namespace}"`,
  ]
}

/** Quote a text as one word of a shell command. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** A local port that no other system's commands use. */
export function portOf(system: object, { systems }: Surroundings): number {
  return 15432 + systems.indexOf(system)
}
