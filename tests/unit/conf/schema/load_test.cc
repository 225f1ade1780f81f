#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "conf/schema/parse.h"
#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

class Load : public testing::Test {
  protected:
    Load() {
        std::string pattern = testing::TempDir() + "fairlead-load-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string write(std::string_view text) const {
        std::string path = folder_ / "fairlead.toml";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    // Everything that describe() says of loading `path`, with the folder's name left out.
    [[nodiscard]] std::string errors_of_file(const std::string& path) const {
        const auto result = load_config(path);
        std::string text = result ? "" : describe(result.error());
        const std::string prefix = folder_.string() + "/";
        for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
            text.erase(at, prefix.size());
        }
        return text;
    }

    std::filesystem::path folder_;
};

TEST_F(Load, ReadsAFile) {
    const auto result = load_config(write(kHead));
    ASSERT_TRUE(result) << describe(result.error());
    EXPECT_EQ(result->ports.at(0).name, "p");
}

TEST_F(Load, NamesAFileThatIsMissing) {
    EXPECT_EQ(errors_of_file(folder_ / "none.toml"),
              "none.toml: error: cannot be read: No such file or directory\n");
}

TEST_F(Load, RefusesAFolder) {
    EXPECT_EQ(errors_of_file(folder_ / "."), ".: error: is not a file\n");
}

TEST_F(Load, RefusesAnEmptyFile) {
    EXPECT_EQ(errors_of_file(write("")), "fairlead.toml: error: the configuration is empty\n");
    EXPECT_EQ(errors_of_file(write(" \n\t\r\n")),
              "fairlead.toml: error: the configuration is empty\n");
}

TEST_F(Load, RefusesAFileOfZerosAsACrashLeavesIt) {
    EXPECT_NE(errors_of_file(write(std::string(4096, '\0') + "\n")), "");
}

TEST_F(Load, RefusesAFileThatMayBeHalfWritten) {
    EXPECT_EQ(errors_of_file(write(std::string(kHead) + "node = { name = \"lb1\" }")),
              "fairlead.toml: error: the last line does not end: the file may be half written "
              "(end it with a newline)\n");
}

TEST_F(Load, RefusesEveryPlaceAtWhichAFileCanBeCutShort) {
    const std::string whole =
        "[engine]\ncpus = \"0\"\n[[port]]\nname = \"p\"\ninterface = \"eth0\"\n";
    ASSERT_TRUE(load_config(write(whole)));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_FALSE(load_config(write(whole.substr(0, length)))) << length;
    }
}

TEST_F(Load, RefusesAHugeFileWithoutReadingIt) {
    const std::string path = write("");
    std::filesystem::resize_file(path, kMaxConfigBytes + 1);
    EXPECT_EQ(errors_of_file(path),
              "fairlead.toml: error: 67108865 bytes are too many for a configuration; it may have "
              "67108864\n");
}

TEST(Parse, RefusesHugeText) {
    EXPECT_EQ(errors_of(std::string(kMaxConfigBytes + 1, '#')).size(), 1U);
}

}  // namespace
}  // namespace fairlead::conf
