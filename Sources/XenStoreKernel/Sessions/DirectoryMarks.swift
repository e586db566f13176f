// SPDX-License-Identifier: Apache-2.0

/// Places in one long list of children, so that DIRECTORY_PART need not walk it from its start for each part.
///
/// They hold for one state of one list in one tree: a change of the list changes its node's generation. The generations
/// of a draft come again in the store and in other drafts, when the draft is gone.
struct DirectoryMarks {
    private var node = NodeID.none
    private var generation: UInt64 = 0
    private var tree: UInt64 = 0
    /// Children and the places of their names in the list, in order.
    private var marks: [(offset: Int, child: NodeID)] = []
    private var spacing = DirectoryMarks.spacingMin

    /// The bytes between two marks: as many as one reply holds.
    private static let spacingMin = 4096
    private static let countMax = 512

    /// Makes these the marks of the list of `node` in the tree with the serial `tree`.
    mutating func open(_ node: NodeID, generation: UInt64, in tree: UInt64) {
        if self.node == node, self.generation == generation, self.tree == tree { return }
        (self.node, self.generation, self.tree) = (node, generation, tree)
        marks = []
        spacing = DirectoryMarks.spacingMin
    }

    /// The last mark at or before `offset`.
    func last(before offset: Int) -> (offset: Int, child: NodeID)? {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? marks[low - 1] : nil
    }

    /// Adds the child that the walk has reached. Its name begins at `offset`.
    mutating func pass(_ child: NodeID, at offset: Int) {
        if offset < (marks.last?.offset ?? 0) + spacing { return }
        if marks.count == DirectoryMarks.countMax {
            marks = marks.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
            spacing *= 2
        }
        marks.append((offset, child))
    }
}
