#include "ctl/daemon/seed_file.h"

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

namespace fs = std::filesystem;

TEST(SeedFile, HoldsHexadecimalDigits) {
    EXPECT_EQ(*parse_seed("5f2ac09b1d77e340\n"), 0x5F2A'C09B'1D77'E340U);
    EXPECT_EQ(*parse_seed("  FF \r\n"), 0xFFU);
    for (const char* text : {"",
                             "\n",
                             "0x5f",
                             "5f2ac09b1d77e3401",
                             "-1",
                             "5f 2a",
                             "seed",
                             "5f2ac09b1d77e340\nagain"}) {
        EXPECT_FALSE(parse_seed(text)) << text;
    }
}

class SeedFileOnDisk : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "fairlead-seed-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
        path_ = directory_ + "/seed";
    }
    void TearDown() override { fs::remove_all(directory_); }

    std::string directory_;
    std::string path_;
};

TEST_F(SeedFileOnDisk, IsMadeOnceAndKept) {
    const auto made = load_seed(path_);
    ASSERT_TRUE(made);
    EXPECT_EQ(fs::file_size(path_), 17U);
    EXPECT_EQ(*load_seed(path_), *made);
    fs::remove(path_);
    EXPECT_NE(*load_seed(path_), *made) << "random, but for one case in 2^64";
}

TEST_F(SeedFileOnDisk, IsNeverReplaced) {
    std::ofstream(path_) << "something else";
    EXPECT_FALSE(load_seed(path_));
    std::ofstream(path_) << std::string(1000, 'a');
    EXPECT_FALSE(load_seed(path_));
    EXPECT_EQ(fs::file_size(path_), 1000U);
}

TEST_F(SeedFileOnDisk, ItsDirectoryIsMadeAndNoMoreThanThat) {
    EXPECT_TRUE(load_seed(directory_ + "/fairlead/seed"));
    EXPECT_FALSE(load_seed(directory_ + "/missing/fairlead/seed"));
    EXPECT_FALSE(fs::exists(directory_ + "/missing"));
}

}  // namespace
}  // namespace fairlead::daemon
