//! A text that comes in pieces, read as it would be read whole.

use crate::engine::again::filler;
use crate::engine::{Engine, Floors, KEPT, Progress, Taken};
use crate::normal::{Normal, Shift, way_back};

/// The part of a text that is at hand, as it came and as it is read.
#[derive(Default)]
pub(crate) struct Buffer {
    original: String,
    /// The text as it is read, and the way back, when it is not as it came.
    normal: Option<(String, Vec<Shift>)>,
    /// How many bytes were taken out at its end.
    taken_out: usize,
}

impl Buffer {
    fn push(&mut self, piece: &str) {
        let (read, taken_out) = Normal::after(self.taken_out, piece);
        self.taken_out = taken_out;
        let (text, shifts) = read.into_parts();
        if self.normal.is_none() && !shifts.is_empty() {
            self.normal = Some((self.original.clone(), Vec::new()));
        }
        if let Some((normal, known)) = &mut self.normal {
            let (at, original) = (normal.len(), self.original.len());
            for shift in shifts {
                Shift::join(known, shift.moved(at, original));
            }
            normal.push_str(&text);
        }
        self.original.push_str(piece);
    }

    fn text(&self) -> &str {
        self.normal
            .as_ref()
            .map_or(&self.original, |(text, _)| text)
    }

    /// Where an offset of the text as it is read is in the original at hand.
    fn original(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        match &self.normal {
            None => range,
            Some((_, shifts)) => way_back(shifts, range),
        }
    }

    /// Masks a span of the text as it is read, which has been handed on: nothing beside it is read as if
    /// its value stood there.
    fn mask(&mut self, start: usize, end: usize) {
        let filler = filler(end - start);
        match &mut self.normal {
            Some((normal, _)) => normal.replace_range(start..end, &filler),
            None => self.original.replace_range(start..end, &filler),
        }
    }

    /// Takes away what is no longer looked at: the first bytes of the text as it is read. Says how many
    /// bytes of the original went.
    fn drain(&mut self, bytes: usize) -> usize {
        let original = self.original(bytes..bytes).end;
        if let Some((normal, shifts)) = &mut self.normal {
            normal.drain(..bytes);
            *shifts = shifts
                .iter()
                .filter_map(|shift| shift.back(bytes, original))
                .collect();
            // In step again from here to the next shift, as before.
        }
        self.original.drain(..original);
        original
    }
}

/// What a text in pieces turns into.
pub(crate) enum Part<'s> {
    /// Text in which nothing was found.
    Plain(&'s str),
    /// A span: what it is, and its text as far as it is at hand.
    Found(&'s Taken, &'s str),
    /// The last span goes on with this.
    Longer(&'s str),
}

/// A scan of a text that comes in pieces.
pub(crate) struct Scanner<'e> {
    engine: &'e Engine,
    floors: Floors,
    progress: Progress,
    buffer: Buffer,
    /// Up to where the original at hand was handed on.
    emitted: usize,
    taken: Vec<Taken>,
}

impl<'e> Scanner<'e> {
    pub(crate) fn new(engine: &'e Engine, floors: Floors) -> Self {
        Self {
            engine,
            floors,
            progress: Progress::default(),
            buffer: Buffer::default(),
            emitted: 0,
            taken: Vec::new(),
        }
    }

    /// Reads the next piece, and hands on what is decided.
    pub(crate) fn push(&mut self, piece: &str, sink: &mut dyn FnMut(Part<'_>)) {
        self.buffer.push(piece);
        self.read(true, sink);
        let decided = self.emitted_normal();
        if decided > 4 * KEPT {
            self.forget(decided - KEPT);
        }
    }

    /// The text is the value of something that has this name.
    pub(crate) fn name(&mut self, name: &str) {
        self.progress.name = name.to_owned();
    }

    /// Reads a text that comes whole, without copying it.
    pub(crate) fn whole(&mut self, text: &str, sink: &mut dyn FnMut(Part<'_>)) {
        let normal = Normal::of(text);
        self.taken.clear();
        self.engine.advance(
            &normal.text,
            false,
            &self.floors,
            &mut self.progress,
            &mut self.taken,
        );
        let mut emitted = 0;
        for taken in &self.taken {
            let range = normal.original(taken.start..taken.end);
            if range.start > emitted {
                sink(Part::Plain(
                    text.get(emitted..range.start).unwrap_or_default(),
                ));
            }
            sink(Part::Found(
                taken,
                text.get(range.clone()).unwrap_or_default(),
            ));
            emitted = range.end;
        }
        if emitted < text.len() {
            sink(Part::Plain(text.get(emitted..).unwrap_or_default()));
        }
    }

    /// Whether the last span that was handed on goes on.
    pub(crate) fn in_region(&self) -> bool {
        self.progress.in_region()
    }

    /// Hands on the rest: the text ends here.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(Part<'_>)) {
        self.read(false, sink);
    }

    fn read(&mut self, open: bool, sink: &mut dyn FnMut(Part<'_>)) {
        let in_region = self.progress.in_region();
        self.taken.clear();
        let decided = self.engine.advance(
            self.buffer.text(),
            open,
            &self.floors,
            &mut self.progress,
            &mut self.taken,
        );
        if let Some(longer) = self.progress.longer.filter(|_| in_region) {
            let end = self.buffer.original(longer.start..longer.end).end;
            let rest = self.buffer.original.get(self.emitted..end);
            sink(Part::Longer(rest.unwrap_or_default()));
            self.emitted = self.emitted.max(end);
            if longer.is_ended {
                self.buffer.mask(longer.start, longer.end);
            }
        }
        // The last one goes on, if it began now.
        let is_open = usize::from(self.progress.in_region());
        let bounded = self.taken.len().saturating_sub(is_open);
        for (index, taken) in self.taken.iter().enumerate() {
            let range = self.buffer.original(taken.start..taken.end);
            let original = &self.buffer.original;
            if range.start > self.emitted {
                let plain = original.get(self.emitted..range.start);
                sink(Part::Plain(plain.unwrap_or_default()));
            }
            let value = original.get(range.clone()).unwrap_or_default();
            sink(Part::Found(taken, value));
            self.emitted = range.end;
            if index < bounded {
                let value = self.buffer.text().get(taken.start..taken.end);
                self.progress
                    .keep_head(taken.start, value.unwrap_or_default());
                self.buffer.mask(taken.start, taken.end);
            }
        }
        let original = &self.buffer.original;
        let decided = match open {
            true => self.buffer.original(decided..decided).end,
            false => original.len(),
        };
        if decided > self.emitted {
            let plain = original.get(self.emitted..decided).unwrap_or_default();
            sink(Part::Plain(plain));
            self.emitted = decided;
        }
    }

    fn emitted_normal(&self) -> usize {
        match &self.buffer.normal {
            None => self.emitted,
            // The text as it is read is never longer.
            Some((normal, _)) => self.emitted.min(normal.len()).saturating_sub(KEPT),
        }
    }

    fn forget(&mut self, bytes: usize) {
        let mut bytes = bytes;
        while !self.buffer.text().is_char_boundary(bytes) {
            bytes -= 1;
        }
        let original = self.buffer.drain(bytes);
        self.progress.shift(bytes);
        self.emitted -= original;
    }
}
