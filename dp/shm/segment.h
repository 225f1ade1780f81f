// A mapped segment file: created whole, opened with care, locked while its writer lives.
//
// The file is sparse, and what it has no page for must not be touched through the mapping: the
// kernel takes a page for it even where it is only read, and sends SIGBUS where there is none left.
// So a writer calls allocate() before it writes to a place for the first time, and readers read
// what a writer has told them of.
//
// Ownership: a Segment owns its mapping and its descriptor; moving moves both. Thread: any, but one
// writer program a file. Nothing here is on the packet path.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"
#include "dp/shm/layout.h"

namespace fairlead::shm {

// What a program expects of a segment before it touches anything behind the header.
struct SegmentKind {
    std::array<char, 16> magic;
    std::uint32_t version;
    std::uint32_t fingerprint;
    std::string_view name;    // file name in the run directory: "tables"
    std::string_view writer;  // "lbd" or "lbdp", for messages
    std::string_view reader;
};

extern const SegmentKind kTables;
extern const SegmentKind kTelemetry;
extern const SegmentKind kFlows;

// How long a new segment's file is, and how much of its start is allocated before it gets its name.
struct SegmentSize {
    std::uint64_t total_bytes = 0;
    std::uint64_t allocated_bytes = 0;
};

class Segment {
  public:
    Segment() = default;
    ~Segment();
    Segment(Segment&& other) noexcept;
    Segment& operator=(Segment&& other) noexcept;
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    // Maps an existing file for reading. Errors: not there yet, another layout,
    // a size that does not fit.
    [[nodiscard]] static Result<Segment> open_read_only(const SegmentKind& kind,
                                                        const std::string& directory);
    // Maps an existing file for its writer, and takes the writer's lock. Errors as above, and a
    // writer that lives already.
    [[nodiscard]] static Result<Segment> open_writer(const SegmentKind& kind,
                                                     const std::string& directory);
    // Makes a sparse file of zeros with a valid header, locked, under its final name only when
    // whole. `initialize` fills what must stand before anybody can map it; it gets the whole
    // segment, and may touch what `size` says is allocated.
    // Errors: a file of that name exists; open_writer() or remove() it. No memory for it.
    template <typename Initialize>
    [[nodiscard]] static Result<Segment> create(const SegmentKind& kind,
                                                const std::string& directory,
                                                const SegmentSize& size,
                                                std::string_view version,
                                                Initialize&& initialize) {
        Result<Segment> made = create_unnamed(kind, directory, size, version);
        if (!made) {
            return made;
        }
        initialize(made->bytes());
        if (Status named = made->give_name(kind, directory); !named) {
            return Unexpected{named.error()};
        }
        return made;
    }

    // The same for one that is allocated as a whole.
    template <typename Initialize>
    [[nodiscard]] static Result<Segment> create(const SegmentKind& kind,
                                                const std::string& directory,
                                                std::uint64_t size_bytes,
                                                std::string_view version,
                                                Initialize&& initialize) {
        return create(kind,
                      directory,
                      SegmentSize{size_bytes, size_bytes},
                      version,
                      std::forward<Initialize>(initialize));
    }

    // Makes sure that these bytes of the file have memory, so that they can be written and read;
    // what stands there stays. Bytes behind the file's end are no error, and not made. Error: there
    // is no room, with the size that was needed and where it should come from; then nothing has
    // changed.
    [[nodiscard]] Status allocate(std::uint64_t offset, std::uint64_t bytes) const {
        return allocate({{offset, bytes}});
    }
    struct Range {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    // The same for several; of an error that comes late, the first ones are kept.
    [[nodiscard]] Status allocate(std::initializer_list<Range> ranges) const;

    // Takes the file's name away. Only where no other side can have it mapped.
    [[nodiscard]] static Status remove(const SegmentKind& kind, const std::string& directory);
    [[nodiscard]] static bool exists(const SegmentKind& kind, const std::string& directory);

    // Whether the file of that name says that it has another layout than ours. One that is too
    // damaged to say does not.
    [[nodiscard]] static bool has_other_layout(const SegmentKind& kind,
                                               const std::string& directory);

    // Whether a writer holds the lock of the file of that name. A system call or three.
    [[nodiscard]] static bool is_locked(const SegmentKind& kind, const std::string& directory);

    // Whether the writer of this segment lives: somebody else holds its lock. A system call.
    [[nodiscard]] bool writer_lives() const;
    // Nobody has cut the mapped file, whatever its name is by now. A system call.
    [[nodiscard]] bool is_whole() const;
    // The file under that name is still the one that is mapped here, and as long.
    [[nodiscard]] bool is_current(const SegmentKind& kind, const std::string& directory) const;

    [[nodiscard]] bool is_open() const noexcept { return !bytes_.empty(); }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    // The header at the segment's start. Requires is_open() and sizeof(Header) <= bytes().size().
    template <typename Header>
    [[nodiscard]] Header& header() const noexcept {
        return *reinterpret_cast<Header*>(
            bytes_.data());  // NOLINT(*-reinterpret-cast): a mapping's page-aligned start
    }

  private:
    [[nodiscard]] static Result<Segment> create_unnamed(const SegmentKind& kind,
                                                        const std::string& directory,
                                                        const SegmentSize& size,
                                                        std::string_view version);
    [[nodiscard]] Status give_name(const SegmentKind& kind, const std::string& directory);
    [[nodiscard]] static Result<Segment> open(const SegmentKind& kind,
                                              const std::string& directory,
                                              bool for_writing);
    [[nodiscard]] Status lock(const SegmentKind& kind) const;
    [[nodiscard]] Status map(std::uint64_t file_bytes, bool for_writing);

    Descriptor file_;
    std::span<std::byte> bytes_;
    std::string path_;
    std::string temporary_name_;
};

}  // namespace fairlead::shm
