// Package clusters reads what FAT and exFAT have in common: a heap of
// clusters, a table (the FAT) that says which cluster follows which, and
// files that are chains of clusters.
//
//	table   [0][1][2: 3][3: 7][4: end] ... [7: end]
//	                │      │               ▲
//	                └─►3 ──┴──► 7 ─────────┘         a chain: 2, 3, 7
//	heap    cluster 2, cluster 3, ... Count+1
//
// A [Chain] is found whole when it is asked for: its loops are found then,
// exactly, and what precedes the damage stays readable. Nothing here is
// changed after it was made, so everything is safe for concurrent use.
package clusters
