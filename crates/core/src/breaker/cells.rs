//! The cells of one breaker: the first is in the breaker itself, more come when more threads do.

use super::cell::Cell;
use crate::slot;
use crate::sync::{AtomicU32, Mutex, OnceLock, Ordering, lock};

/// Chunk `k` holds the cells of 8 x 2^k slots; seven of them are enough for [`slot::LIMIT`]. A model
/// has six slots.
const CHUNKS: usize = if cfg!(loom) { 2 } else { 7 };
const FIRST_CHUNK: u32 = if cfg!(loom) { 2 } else { 8 };

type Chunk = Box<[OnceLock<Box<Cell>>]>;

/// Who writes which cell. The first cell is handed in: it lies on cache lines of its own, away from
/// this, which every thread reads.
#[derive(Debug)]
pub(super) struct Cells {
    /// The slot of the thread that the first cell belongs to; 0 while nobody came.
    owner: AtomicU32,
    more: OnceLock<Box<More>>,
}

#[derive(Debug)]
struct More {
    chunks: [OnceLock<Chunk>; CHUNKS],
    /// For threads without a slot of their own.
    shared: Cell,
    shared_writer: Mutex<()>,
}

impl Cells {
    pub(super) fn new() -> Self {
        Self { owner: AtomicU32::new(0), more: OnceLock::new() }
    }

    /// Runs `write` on the cell of this thread.
    #[inline(always)]
    pub(super) fn write<R>(&self, first: &Cell, write: impl FnOnce(&Cell) -> R) -> R {
        let slot = slot::current();
        // One place to write at, so that what is written can be inlined there.
        let owns_first = self.owner.load(Ordering::Relaxed) == slot;
        match if owns_first { Some(first) } else { self.other(slot) } {
            Some(cell) => write(cell),
            None => self.write_rarely(first, slot, write),
        }
    }

    /// The cell of a slot that does not own the first one, where it has been made.
    #[inline]
    fn other(&self, slot: u32) -> Option<&Cell> {
        let more = self.more.get()?;
        if slot == slot::SHARED {
            return None;
        }
        let (chunk, index) = place(slot);
        more.chunks[chunk].get()?[index].get().map(|cell| &**cell)
    }

    #[cold]
    fn write_rarely<R>(&self, first: &Cell, slot: u32, write: impl FnOnce(&Cell) -> R) -> R {
        if slot == slot::SHARED {
            let more = self.more();
            let _writer = lock(&more.shared_writer);
            return write(&more.shared);
        }
        // Whoever comes first takes the cell that is already there.
        if self.owner.compare_exchange(0, slot, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return write(first);
        }
        let (chunk, index) = place(slot);
        let chunk = self.more().chunks[chunk]
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        write(chunk[index].get_or_init(|| Box::new(Cell::new())))
    }

    fn more(&self) -> &More {
        self.more.get_or_init(|| {
            Box::new(More {
                chunks: std::array::from_fn(|_| OnceLock::new()),
                shared: Cell::new(),
                shared_writer: Mutex::new(()),
            })
        })
    }

    /// All cells but the first.
    pub(super) fn others(&self) -> impl Iterator<Item = &Cell> {
        let more = self.more.get();
        more.into_iter().flat_map(|more| {
            let chunks = more.chunks.iter().filter_map(OnceLock::get);
            let cells = chunks.flat_map(|chunk| chunk.iter().filter_map(OnceLock::get));
            cells.map(|cell| &**cell).chain(std::iter::once(&more.shared))
        })
    }
}

/// The chunk of a slot, and its place in it.
#[inline]
fn place(slot: u32) -> (usize, usize) {
    let number = slot - 1 + FIRST_CHUNK;
    let chunk = number.ilog2() - FIRST_CHUNK.ilog2();
    (chunk as usize, (number - (FIRST_CHUNK << chunk)) as usize)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::trials::FEWER;

    #[test]
    fn every_slot_has_its_own_place() {
        let mut next = [0; CHUNKS];
        for slot in 1..=slot::LIMIT {
            let (chunk, index) = place(slot);
            assert_eq!(index, next[chunk]);
            assert!(index < (FIRST_CHUNK << chunk) as usize);
            next[chunk] += 1;
        }
        assert_eq!(next, [8, 16, 32, 64, 128, 256, 512]);
    }

    #[test]
    fn many_threads_lose_no_count() {
        let (cells, first) = (Cells::new(), Cell::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 / FEWER {
                        cells.write(&first, |cell| cell.started.bump());
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..1000 / FEWER {
                    cells.write_rarely(&first, slot::SHARED, |cell| cell.started.bump());
                }
            });
        });
        let others: u64 = cells.others().map(|cell| cell.started.read()).sum();
        assert_eq!(first.started.read() + others, u64::from(41_000 / FEWER));
    }

    #[test]
    fn more_threads_than_a_chunk_has_places_count_apart() {
        const THREADS: usize = 40;
        let (cells, first) = (Cells::new(), Cell::new());
        // All at once, so that no slot is handed on.
        let barrier = std::sync::Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    slot::current();
                    barrier.wait();
                    cells.write(&first, |cell| cell.started.bump());
                    barrier.wait();
                });
            }
        });
        assert_eq!(first.started.read(), 1);
        assert!(cells.others().all(|cell| cell.started.read() <= 1));
        assert_eq!(cells.others().map(|cell| cell.started.read()).sum::<u64>(), 39);
    }
}
