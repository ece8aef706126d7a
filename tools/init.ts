import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { input } from '@inquirer/prompts'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { initialConfig, questions, wrongAnswer } from '../src/config/index.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { configOption } from './options.ts'

export const command = 'init'
export const describe = 'Ask a few questions, and write a first config'
export const builder = (args: Argv) =>
  args
    .options(configOption)
    .options(Object.fromEntries(questions.map(({ name, ask }) => [name, { type: 'string' as const, describe: ask }])))
    .example('$0 init --config my/backups.config.ts', 'never overwrites a file')

export async function handler(args: { config: string; [option: string]: unknown }): Promise<void> {
  if (existsSync(args.config)) {
    throw new CommandFailure(exitCodes.usage, `${args.config} is there already`, 'name another file with --config')
  }
  const answers = process.stdin.isTTY ? await asked(args) : given(args)
  const folder = dirname(resolve(args.config))
  await mkdir(folder, { recursive: true })
  // Not if it has come to be there in the meantime.
  await writeFile(args.config, initialConfig(answers, folder, projectRoot), { flag: 'wx' })
  process.stdout.write(`written ${args.config}\n`)
  process.stderr.write(`init: look through it, then run \`npm run generate -- --config ${args.config}\`\n`)
}

/** Every answer from the options; those that are missing have their suggestions. */
function given(args: Readonly<Record<string, unknown>>): Record<string, string> {
  const answers = Object.fromEntries(
    questions.map(({ name, suggestion }) => [name, String(args[name] ?? suggestion ?? '')]),
  )
  const wrong = questions.flatMap(question => {
    const problem = wrongAnswer(question, answers[question.name] ?? '')
    return problem === undefined ? [] : [`--${question.name} (${question.ask}): ${problem}`]
  })
  if (wrong.length > 0) {
    throw new CommandFailure(
      exitCodes.usage,
      `there is no terminal to ask in, and these options are missing or wrong:\n  ${wrong.join('\n  ')}`,
      'give them, or run the command in a terminal',
    )
  }
  return answers
}

/** Every answer, asked for if no option has a right one. */
async function asked(args: Readonly<Record<string, unknown>>): Promise<Record<string, string>> {
  const answers: Record<string, string> = {}
  for (const question of questions) {
    const option = args[question.name]
    if (typeof option === 'string' && wrongAnswer(question, option) === undefined) {
      answers[question.name] = option
      continue
    }
    try {
      const { suggestion } = question
      answers[question.name] = await input({
        message: question.ask,
        ...(suggestion ? { default: suggestion } : {}),
        validate: answer => wrongAnswer(question, answer) ?? true,
      })
    } catch (error) {
      // Its own error for Ctrl-C and for a terminal that goes away.
      if (!(error instanceof Error) || error.name !== 'ExitPromptError') throw error
      throw new CommandFailure(exitCodes.usage, 'stopped: nothing was written', 'run it again')
    }
  }
  return answers
}
