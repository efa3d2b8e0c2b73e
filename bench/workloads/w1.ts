import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { seededNoise, seededText } from './seeded-bytes.ts'

/** W1: 100,000 small files of 4,090 bytes on average in 1,011 directories, 409 MB, half of them incompressible. */
const FILES_PER_DIRECTORY = 100
const DIRECTORIES_PER_TOP = 100
const FILE_BYTES_AVERAGE = 4090
const TEXT_EXTENSIONS = ['ts', 'js', 'json', 'md']

export function makeSmallFiles(folder: string, files: number): void {
  const next = seededNumbers(1)
  const noise = seededNoise(1)
  const text = seededText(1)
  for (let index = 0; index < files; index++) {
    const path = smallFilePath(index)
    if (index % FILES_PER_DIRECTORY === 0) {
      mkdirSync(`${folder}/${path.slice(0, path.lastIndexOf('/'))}`, { recursive: true })
    }
    const bytes = 1 + Math.floor(next() * 2 * FILE_BYTES_AVERAGE)
    writeFileSync(`${folder}/${path}`, isDense(index) ? noise(bytes) : text(bytes))
  }
}

/** Appends to ten files in ten directories; `round` makes each call different. */
export function changeTenFiles(folder: string, files: number, round: number): void {
  for (let index = 0; index < 10; index++) {
    const file = Math.floor((index * files) / 10) + round
    appendFileSync(`${folder}/${smallFilePath(file)}`, `changed ${round} ${index}\n`)
  }
}

function smallFilePath(index: number): string {
  const directory = Math.floor(index / FILES_PER_DIRECTORY)
  const top = Math.floor(directory / DIRECTORIES_PER_TOP)
  const extension = isDense(index) ? 'bin' : (TEXT_EXTENSIONS[index % TEXT_EXTENSIONS.length] ?? 'txt')
  return `top${top}/dir${directory}/file${index}.${extension}`
}

function isDense(index: number): boolean {
  return index % 2 === 1
}
