// How these applications settle a conflict: field by field against the base, both deletions and losers out in the open.
//
// A field that only one side changed takes that side. Where both changed it, the store's value stays and the own one goes to
// `lost`, a list in the record that only grows, where a person finds it. An edit wins against a deletion.

/** The own changes on top of the store's record. `base` is what the own record was made from; null stands for no record. */
export function merged(base, mine, theirs) {
  if (mine === null || theirs === null) return mine ?? theirs;
  const lost = new Set([...(theirs.lost ?? []), ...(mine.lost ?? [])]);
  const result = { ...theirs };
  for (const field of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
    if (field === "lost" || mine[field] === theirs[field] || mine[field] === base?.[field]) continue;
    if (theirs[field] === base?.[field]) result[field] = mine[field];
    else if (mine[field] !== undefined) lost.add(mine[field]);
  }
  return { ...result, lost: [...lost].sort() };
}
