import type { ActivityEvent } from '@holdfast/client/events'
import { documentOf } from '../../output/document.ts'
import type { OutputMode } from '../../output/output.ts'
import { printable } from '../../output/printable.ts'
import { formatInstant } from '../../output/quantities.ts'

/** One line an event: for programs a JSON document. */
export function eventLine(event: ActivityEvent, mode: OutputMode): string {
  switch (mode) {
    case 'json':
    case 'yaml':
      return `${JSON.stringify(documentOf(event))}\n`
    case 'ids':
    case 'names':
      return `${event.id}\n`
    case 'text':
    case 'wide': {
      const facts = Object.entries(event.payload).map(([name, value]) => `${name}=${valueText(value)}`)
      return `${printable([formatInstant(event.at), event.source, event.type, ...facts].join('  '))}\n`
    }
  }
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
