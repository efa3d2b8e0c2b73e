import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FAILURES_PAGE, failuresPage } from './failures-page.ts'
import { ROOT } from './repository-files.ts'

writeFileSync(join(ROOT, FAILURES_PAGE), failuresPage())
