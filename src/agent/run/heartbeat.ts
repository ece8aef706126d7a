import { log } from './log.ts'

const TRIES = 3
const TIMEOUT_MS = 10_000

/**
 * Ping a dead-man's switch, by the convention of Healthchecks: `<url>/start`, `<url>`,
 * `<url>/fail`, with the end of the log as the body. A ping that fails is logged and changes nothing.
 */
export async function heartbeat(
  url: string | undefined,
  what: 'start' | 'success' | 'fail',
  body?: string,
): Promise<void> {
  if (!url) return
  const target = what === 'success' ? url : `${url.replace(/\/$/, '')}/${what}`
  let problem = ''
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    try {
      const answer = await fetch(target, {
        method: 'POST',
        body: body ?? '',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (answer.ok) return
      problem = `HTTP ${answer.status}`
    } catch (error) {
      problem = error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error)
    }
    if (attempt < TRIES) await new Promise(resolve => setTimeout(resolve, 500 * attempt))
  }
  // The URL is a secret: whoever knows it can report success.
  log(`the heartbeat "${what}" could not be delivered: ${problem}`)
}
