//! What a probe is doing, and how that is shown.

/// What a probe is doing. Kinds name theirs in constants; `net` owns resolve, connect and tls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    name: &'static str,
    whole_only: bool,
    /// The name under which blackbox_exporter shows a lap that was completed, and one that was cut short.
    shown: [Option<&'static str>; 2],
    takes_back: bool,
}

impl Phase {
    /// A phase, named by one lower-case word.
    pub const fn new(name: &'static str) -> Self {
        Self { name, whole_only: false, shown: [Some(name); 2], takes_back: false }
    }

    /// A phase whose gauge shows completed laps only: a lap in which the run failed counts as zero there.
    pub const fn whole_only(mut self) -> Self {
        self.whole_only = true;
        self
    }

    /// Marks a phase that blackbox_exporter does not show.
    pub const fn extra(mut self) -> Self {
        self.shown = [None; 2];
        self
    }

    /// Marks a phase that blackbox_exporter counts to another.
    pub const fn counted_to(mut self, other: &'static str) -> Self {
        self.shown = [Some(other); 2];
        self
    }

    /// Marks a phase that blackbox_exporter counts to another, if to any, when the run failed in it.
    pub const fn cut_counted_to(mut self, other: Option<&'static str>) -> Self {
        self.shown[1] = other;
        self
    }

    /// Marks a phase without which the one before it is nothing to blackbox_exporter: if the run failed in it, the lap
    /// before it counts as zero there too, where it is of a phase that shows completed laps only.
    pub const fn takes_back(mut self) -> Self {
        self.takes_back = true;
        self
    }

    /// Whether a lap in which the run failed takes the one before it back, in blackbox_exporter's eyes.
    pub const fn is_taking_back(self) -> bool {
        self.takes_back
    }

    /// The phase in one word.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether the gauge leaves out the lap in which a run failed.
    pub const fn is_whole_only(self) -> bool {
        self.whole_only
    }

    /// The phase under whose name blackbox_exporter shows a lap, which was cut short or not; `None`: it does not.
    pub const fn shown(self, cut: bool) -> Option<&'static str> {
        self.shown[cut as usize]
    }
}
