import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** A secret that cannot be in a text by chance. The sign in it is one that encodings change. */
export function planted(name: string): string {
  return `planted-${name}/${randomBytes(9).toString('hex')}`
}

/** A secret as it is, and as encodings write it. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret)
  // Base64 of a longer text that holds it, wherever it begins there; its first and last characters depend on the rest.
  const within = [0, 1, 2].map(before =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(4, -4),
  )
  return [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret).slice(1, -1), ...within]
}

/** Which secrets are in which texts, as `<name of the secret> in <name of the text>`. */
export function leaks(secrets: Readonly<Record<string, string>>, texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets).flatMap(([secret, value]) =>
    Object.entries(texts)
      .filter(([, text]) => forms(value).some(form => text.includes(form)))
      .map(([where]) => `${secret} in ${where}`),
  )
}

/** The command lines of all processes of this machine while something runs, each once. */
export async function commandLinesDuring(work: () => Promise<unknown>): Promise<string> {
  const seen = new Set<string>()
  let running = true
  const watch = async () => {
    while (running) {
      for (const name of await readdir('/proc')) {
        if (!/^\d+$/.test(name)) continue
        // It may have ended since.
        const line = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '')
        seen.add(line.replaceAll('\0', ' '))
      }
      await sleep(20)
    }
  }
  const watching = watch()
  try {
    await work()
  } finally {
    running = false
    await watching
  }
  return [...seen].join('\n')
}
