import { readdirSync, lstatSync } from 'node:fs'
import { SourceDirectory } from '@holdfast/generations/scan/source-directory'
import { surveyDirectory } from '@holdfast/generations/scan/survey'
import { TreeState } from '@holdfast/generations/scan/tree-state'
const src='/tmp/t/w/src'
function raw(d: string){ let n=0; for (const e of readdirSync(d)) { const s=lstatSync(d+'/'+e); n++; if (s.isDirectory()) n+=raw(d+'/'+e) } return n }
for (let i=0;i<3;i++){ const t=performance.now(), c=process.cpuUsage(); const n=raw(src); const u=process.cpuUsage(c); console.log('raw',n,performance.now()-t, u)}
for (let i=0;i<3;i++){ const t=performance.now(), c=process.cpuUsage();
 const opt={source:new SourceDirectory(src), state:new TreeState(), racyFromMs: Date.now()}
 const w=['']; let n=0; for(let p=w.pop(); p!==undefined; p=w.pop()){ const d=surveyDirectory(opt,p); n+=d.names.length; for(const x of d.names) if(x.kind==='directory') w.push(p===''?x.name:p+'/'+x.name)}
 const u=process.cpuUsage(c); console.log('survey',n,performance.now()-t,u)}
