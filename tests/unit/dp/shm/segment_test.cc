#include "dp/shm/segment.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "dp/shm/missing_page.h"
#include "dp/shm/tables.h"
#include "dp/shm/telemetry.h"

namespace fairlead::shm {
namespace {

class SegmentTest : public testing::Test {
  protected:
    SegmentTest() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "fairlead-shm-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] Result<Segment> create(std::uint64_t bytes = 8192) const {
        return Segment::create(kTelemetry, directory_, bytes, "1.2.3", [](std::span<std::byte>) {});
    }
    // What opening the file for reading says.
    [[nodiscard]] std::string refusal() const {
        const Result<Segment> opened = Segment::open_read_only(kTelemetry, directory_);
        return opened ? "" : opened.error().message;
    }
    [[nodiscard]] std::string path() const { return directory_ + "/telemetry"; }

    std::string directory_;
};

TEST_F(SegmentTest, IsSeenByItsReaderWhileTheWriterLives) {
    {
        const Result<Segment> written = create();
        ASSERT_TRUE(written) << written.error().message;
        const Result<Segment> read = Segment::open_read_only(kTelemetry, directory_);
        ASSERT_TRUE(read) << read.error().message;
        written->bytes()[5000] = std::byte{42};
        EXPECT_EQ(read->bytes()[5000], std::byte{42});
        EXPECT_TRUE(read->writer_lives());
        EXPECT_TRUE(Segment::is_locked(kTelemetry, directory_));
        EXPECT_NE(read->header<SegmentHeader>().instance, 0U);
    }
    const Result<Segment> read = Segment::open_read_only(kTelemetry, directory_);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->writer_lives()) << "the lock goes with the writer";
    EXPECT_EQ(read->bytes()[5000], std::byte{42}) << "what was written stays";
}

TEST_F(SegmentTest, ASecondWriterIsRefusedByName) {
    const Result<Segment> first = create();
    const Result<Segment> second = Segment::open_writer(kTelemetry, directory_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("another lbdp runs on this run directory"),
              std::string::npos)
        << second.error().message;
}

TEST_F(SegmentTest, DoesNotReplaceAFileThatStandsThere) {
    const Result<Segment> first = create();
    first->bytes()[5000] = std::byte{42};
    const Result<Segment> second = create();
    EXPECT_FALSE(second);
    EXPECT_TRUE(
        Segment::open_read_only(kTelemetry, directory_)->is_current(kTelemetry, directory_));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1)
        << "nothing half made is left";
}

TEST_F(SegmentTest, AnOlderLayoutSaysWhichSideToUpgrade) {
    {
        const Result<Segment> written = create();
        written->header<SegmentHeader>().layout_version = kTelemetryVersion - 1;
    }
    EXPECT_NE(refusal().find("made by lbdp 1.2.3"), std::string::npos) << refusal();
    EXPECT_NE(refusal().find("install lbdp of the same version"), std::string::npos) << refusal();
    {
        std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
        const std::uint32_t newer = kTelemetryVersion + 1;
        file.seekp(offsetof(SegmentHeader, layout_version));
        file.write(static_cast<const char*>(static_cast<const void*>(&newer)), sizeof newer);
    }
    EXPECT_NE(refusal().find("install lbd of the same version"), std::string::npos) << refusal();
}

TEST_F(SegmentTest, AnotherFingerprintIsAnotherLayout) {
    create()->header<SegmentHeader>().fingerprint ^= 1U;
    EXPECT_NE(refusal().find("layout"), std::string::npos) << refusal();
    EXPECT_FALSE(Segment::open_writer(kTelemetry, directory_));
}

TEST_F(SegmentTest, AForeignShortOrCutFileIsRefused) {
    EXPECT_NE(refusal().find("start lbdp"), std::string::npos) << refusal();
    std::ofstream(path()) << "short";
    EXPECT_NE(refusal().find("too short"), std::string::npos) << refusal();
    std::ofstream(path()) << std::string(4096, 'x');
    EXPECT_NE(refusal().find("is not a \"telemetry\" segment"), std::string::npos) << refusal();
    std::filesystem::remove(path());
    ASSERT_TRUE(create());
    std::filesystem::resize_file(path(), 4096);
    EXPECT_NE(refusal().find("its header says 8192"), std::string::npos) << refusal();
}

TEST_F(SegmentTest, AReplacedFileIsNoticed) {
    const Result<Segment> old = create();
    ASSERT_TRUE(Segment::remove(kTelemetry, directory_));
    EXPECT_FALSE(old->is_current(kTelemetry, directory_));
    ASSERT_TRUE(create());
    EXPECT_FALSE(old->is_current(kTelemetry, directory_));
}

TEST_F(SegmentTest, ADirectoryThatIsNotThereIsSaid) {
    const Result<Segment> made =
        Segment::create(kTables, directory_ + "/none", 4096, "1", [](std::span<std::byte>) {});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("the directory must exist"), std::string::npos);
}

TEST_F(SegmentTest, HasMemoryForItsStartAndGetsMoreWhereItIsTold) {
    constexpr std::uint64_t kMegabyte = 1U << 20U;
    const auto allocated = [this] {
        struct stat status {};
        EXPECT_EQ(::stat(path().c_str(), &status), 0);
        return static_cast<std::uint64_t>(status.st_blocks) * 512;
    };
    const Result<Segment> made = Segment::create(kTelemetry,
                                                 directory_,
                                                 SegmentSize{64 * kMegabyte, kMegabyte},
                                                 "1",
                                                 [](std::span<std::byte>) {});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_GE(allocated(), kMegabyte);
    EXPECT_LT(allocated(), 2 * kMegabyte);
    ASSERT_TRUE(made->allocate(32 * kMegabyte, kMegabyte));
    EXPECT_GE(allocated(), 2 * kMegabyte);
    EXPECT_LT(allocated(), 3 * kMegabyte);
    EXPECT_EQ(std::filesystem::file_size(path()), 64 * kMegabyte);
    ASSERT_TRUE(made->allocate(32 * kMegabyte, 0)) << "nothing is there already";
}

TEST_F(SegmentTest, ACutFileEndsNobody) {
    const Result<Segment> written = create(4 * 4096);
    const Result<Segment> read = Segment::open_read_only(kTelemetry, directory_);
    ASSERT_TRUE(written && read);
    written->bytes()[9000] = std::byte{42};
    survive_missing_pages();
    const std::uint64_t before = missing_pages();
    std::filesystem::resize_file(path(), 4096);
    EXPECT_EQ(read->bytes()[9000], std::byte{0});
    EXPECT_EQ(missing_pages(), before + 1);
    written->bytes()[9000] = std::byte{1};
    EXPECT_EQ(written->bytes()[9000], std::byte{1});
    EXPECT_EQ(read->bytes()[9000], std::byte{0}) << "nobody else sees what is no longer the file";
    EXPECT_EQ(missing_pages(), before + 2);
    EXPECT_FALSE(read->is_current(kTelemetry, directory_));
    EXPECT_NE(read->header<SegmentHeader>().instance, 0U) << "the first page is still there";
}

}  // namespace
}  // namespace fairlead::shm
