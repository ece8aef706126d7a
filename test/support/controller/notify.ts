import { join } from 'node:path'
import { execa } from 'execa'
import { ensureVenv } from '../../../src/ansible/venv.ts'

// AWX's own engine and its way to use it: `build_notification_message` renders in this environment.
const script = `
import json, sys
from jinja2 import sandbox
given = json.load(sys.stdin)
env = sandbox.ImmutableSandboxedEnvironment()
print(json.dumps({key: env.from_string(text).render(**given["context"]) for key, text in given["texts"].items()}))
`

/**
 * Fills in a notification as AWX does, and posts it if it goes by webhook to this machine. A body that is not JSON is
 * sent as text, as AWX sends it.
 *
 * @returns its message (a subject, if there is a body) and its body
 */
export async function send(
  texts: Readonly<Record<string, string>>,
  context: object,
  type: string,
  configuration: { readonly url?: string },
): Promise<{ message: string; body: string }> {
  const python = join(await ensureVenv(() => {}), 'python')
  const { stdout } = await execa(python, ['-c', script], { input: JSON.stringify({ texts, context }) })
  const { message = '', body = '' } = JSON.parse(stdout) as Record<string, string>
  const url = configuration.url ?? ''
  // A notification that is lost never fails the job.
  if (type === 'webhook' && url.startsWith('http://127.0.0.1:')) {
    await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }).catch(() => {})
  }
  return { message, body }
}
