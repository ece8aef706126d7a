/** The command that launches a job template with these answers to its survey. */
export function launch(template: string, answers: Readonly<Record<string, string>>): string {
  const given = Object.entries(answers).map(([name, value]) => ` --answer ${name}=${value}`)
  return `npm run launch -- "${template}"${given.join('')}`
}
