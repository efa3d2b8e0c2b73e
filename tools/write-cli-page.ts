import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLI_PAGE, cliPage } from '../packages/cli/src/cli-page.ts'
import { allCommands } from '../packages/cli/src/commands/all-commands.ts'
import { ROOT } from './repository-files.ts'

writeFileSync(join(ROOT, CLI_PAGE), cliPage(await allCommands()))
